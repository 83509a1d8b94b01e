from copy import deepcopy

import pytest
import torch
from segment_anything.modeling.image_encoder import Attention

from fewshot.sam.attention import use_fused_attention
from fewshot.sam.model import build_sam


def _restless(network: torch.nn.Module) -> torch.nn.Module:
    """Give the relative positions, which start at zero, something to say."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "rel_pos" in name:
                value.normal_(0, 0.5)
    return network


def test_the_fused_encoder_answers_as_the_package_does() -> None:
    network = _restless(build_sam("tiny", 0))
    fused = deepcopy(network)
    use_fused_attention(fused)
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        theirs = network.get_submodule("image_encoder")(images)
        ours = fused.get_submodule("image_encoder")(images)
        with torch.autocast("cpu", torch.bfloat16):
            short = fused.get_submodule("image_encoder")(images)
    assert float((ours - theirs).abs().max()) < 1e-4
    cosine = torch.nn.functional.cosine_similarity(short.float(), theirs, dim=1)
    assert float(cosine.min()) > 0.99
    assert list(fused.state_dict()) == list(network.state_dict())


@pytest.mark.parametrize("relative", [True, False])
def test_one_block_on_an_oblong_grid(relative: bool) -> None:
    torch.manual_seed(0)
    plain = Attention(32, num_heads=4, use_rel_pos=relative, input_size=(5, 9))
    holder = torch.nn.Module()
    holder.image_encoder = torch.nn.Module()
    block = torch.nn.Module()
    block.attn = deepcopy(_restless(plain))
    holder.image_encoder.blocks = torch.nn.ModuleList([block])
    x = torch.randn(3, 5, 9, 32)
    with torch.no_grad():
        theirs = block.attn(x)
        use_fused_attention(holder)
        assert torch.allclose(block.attn(x), theirs, atol=1e-5)
