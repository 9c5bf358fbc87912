"""The child that makes a PDF: HTML comes in, PDF goes out, and nothing else is read from anywhere."""

import logging
import os
import sys
import warnings
from importlib.metadata import distribution
from pathlib import Path

from registry.figures.pdf import PANGO_MISSING

_HERE = Path(__file__).parent

# Found by their place: importing the packages that bring the fonts along would load matplotlib.
SHIPPED = {
    "shipped:/paper.css": (_HERE.parents[1] / "web/static/paper.css", "text/css"),
    "shipped:/ipaexg.ttf": (
        Path(str(distribution("matplotlib-fontja").locate_file("matplotlib_fontja/fonts/ipaexg.ttf"))),
        "font/ttf",
    ),
}
_FONT = '@font-face { font-family: "IPAexGothic"; src: url("shipped:/ipaexg.ttf") }'

# Read by fontconfig when Pango is loaded, which is when WeasyPrint is imported.
os.environ["FONTCONFIG_FILE"] = str(_HERE / "fonts.conf")
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
warnings.filterwarnings("ignore", message="No fonts configured in FontConfig")

try:
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse
except OSError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(PANGO_MISSING)


class ShippedOnly(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no types
    """Gives the stylesheet and the fonts that are shipped; any other address ends the process."""

    def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:
        """What is shipped under this address."""
        if url not in SHIPPED:
            raise FatalURLFetchingError(f"a page may not load {url}")
        path, content_type = SHIPPED[url]
        return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": content_type})


def main() -> None:
    """Turn the page on standard input into a tagged PDF on standard output."""
    fonts, shipped = FontConfiguration(), ShippedOnly()
    page = HTML(string=sys.stdin.buffer.read().decode(), base_url="shipped:/", url_fetcher=shipped)
    font = CSS(string=_FONT, base_url="shipped:/", url_fetcher=shipped, font_config=fonts)
    sys.stdout.buffer.write(page.write_pdf(stylesheets=[font], font_config=fonts, pdf_variant="pdf/ua-1"))


if __name__ == "__main__":
    main()
