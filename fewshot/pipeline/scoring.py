"""The stage that scores every model and the baseline."""

from fewshot.config.names import FINAL
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage of the scores."""
    settings, models, parts = layout.settings, layout.models, layout.labelled_parts
    predictions = [layout.answers(name) / part.name for name in models for part in parts]

    def work() -> None:
        from fewshot.pipeline.scores import ScoredModel, write_scores

        write_scores(
            {part.stem: part for part in parts},
            [ScoredModel(name, layout.answers(name), layout.rule(name)) for name in models],
            FINAL,
            settings.merge.metric,
            settings.baseline,
            layout.metrics,
            layout.per_image,
        )

    return [
        Stage(
            name="score",
            folder=layout.per_image.parent,
            settings={"baseline": settings.baseline.model_dump(), "metric": settings.merge.metric},
            inputs={
                **layout.files([*parts, *predictions, *map(layout.rule, models)]),
                **layout.images,
            },
            outputs=[layout.metrics, layout.per_image],
            work=work,
        )
    ]
