"""Environment, times, and how to run it again."""

from collections.abc import Mapping
from typing import Any

from fewshot.config.load import dump_settings
from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.run.names import RESOLVED
from fewshot.run.stage_records import environments, read_records

_TEMPLATE = """
<p>With the settings below in <code>config.resolved.yaml</code>, the same data and the same
versions:</p>
<pre tabindex="0">fewshot run --config config.resolved.yaml --out runs/again</pre>
{% if records %}
<p>All stages together took {{ records | sum("seconds") | duration }}, and
{{ records | sum("cpu_seconds") | duration }} of processor time.</p>
{% call table("Stages", ["Stage", "Time", "Processor time", "Peak memory so far"]) %}
{% for one in records %}
{{ row(one.name, (one.seconds | duration, one.cpu_seconds | duration,
"%.0f MB" | format(one.peak_memory_mb))) }}
{% endfor %}
{% endcall %}
<h3>Versions</h3>
{% call table("Versions", ["Package", "Version"], "", "narrow") %}
{% for package, version in environment.items() %}{{ row(package, (version,)) }}{% endfor %}
{% endcall %}
{% else %}
<p>The run directory contains no records of its stages.</p>
{% endif %}
<h3>Settings</h3>
<pre class="long" tabindex="0">{{ config }}</pre>
"""


def _build(results: RunResults) -> Mapping[str, Any]:
    root = results.layout.root
    records, path = read_records(root), root / RESOLVED
    return {
        "records": records,
        "environment": environments(records),
        "config": path.read_text(encoding="utf-8")
        if path.is_file()
        else dump_settings(results.settings),
    }


REPRODUCE = Section(
    "reproduce", "Reproduce", "Environment and how to run it again", _TEMPLATE, _build
)
