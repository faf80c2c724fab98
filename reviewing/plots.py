"""Write the script that draws the pages of `dvc plots`, which then need no network: `python -m reviewing.plots`."""

from pathlib import Path

import vl_convert

from stages.shared.artifacts import write_text
from stages.shared.errors import UserError, run

SCRIPT = Path(".dvc/tmp/vega.js")  # where .dvc/page.html looks for it


def main() -> None:
    """Write Vega, Vega-Lite and Vega-Embed, as the package vl-convert holds them, into one file.

    Raises
    ------
    UserError
        If this is not the project's folder.
    """
    if not SCRIPT.parents[1].is_dir():
        raise UserError(f"{Path.cwd()} has no folder .dvc; go to the project's folder and run this there")
    write_text(SCRIPT, vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


if __name__ == "__main__":
    run(main)
