"""`fewshot doctor`: can this machine do the main job?"""

from typing import Any

import typer

from fewshot.cli.options import Json, print_json, print_line


def doctor(json_: Json = False) -> None:
    """Say what is installed, which device and weights there are, and what to do about the rest."""
    from fewshot.detector.doctor import examine

    checks = examine()
    healthy = all(check.fine or not check.needed for check in checks)
    if json_:
        values: dict[str, Any] = {check.name: vars(check) for check in checks}
        print_json({"healthy": healthy, "checks": values})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok     " if check.fine else "MISSING" if check.needed else "absent "
            print_line(f"{mark}  {check.name:{width}}  {check.found}")
            if check.mend:
                print_line(f"{'':9}{'':{width}}  to mend: {check.mend}")
        print("ready" if healthy else "the main job cannot run; see the lines marked MISSING")
    if not healthy:
        raise typer.Exit(1)
