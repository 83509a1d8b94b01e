"""What a report reads of a run that it cannot read."""

from pathlib import Path

import pytest

from fewshot.errors import InputError
from fewshot.report.results import read_results
from fewshot.run.names import RESOLVED
from tests.config.release_0_1_0 import FILES


def test_a_run_of_release_0_1_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / RESOLVED).write_text(FILES["headneck_cpu"], encoding="utf-8")

    with pytest.raises(InputError) as error:
        read_results(tmp_path)

    assert str(error.value) == (
        f"{tmp_path / RESOLVED}: soft_labels.outlines: is soft_labels.mask_source now, and 3 more; "
        f"{tmp_path} is a run under other settings than this release knows; resume it with fewshot "
        "run --resume and settings under their present names"
    )
