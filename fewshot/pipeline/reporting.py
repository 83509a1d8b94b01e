"""The last stage: the report of the run."""

from typing import Any

from fewshot.run.layout import DATA_KEYS, RunLayout
from fewshot.run.stages import Stage

# A report does not depend on where files are; their contents are among its inputs.
_PLACES = {*DATA_KEYS, "weights", "checkpoint"}


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage of the report; of its inputs only the metrics must exist."""
    from fewshot.report.page import report_inputs

    def work() -> None:
        from fewshot.report.page import write_report

        write_report(layout, layout.report)

    return [
        Stage(
            name="report",
            folder=layout.root / "report",
            settings=_without_places(layout.settings.model_dump(mode="json")),
            inputs={**layout.files(report_inputs(layout)), **layout.images},
            outputs=[layout.report],
            work=work,
        )
    ]


def _without_places(settings: Any) -> Any:
    if isinstance(settings, dict):
        kept = {key: value for key, value in settings.items() if key not in _PLACES}
        return {key: _without_places(value) for key, value in kept.items()}
    return [*map(_without_places, settings)] if isinstance(settings, list) else settings
