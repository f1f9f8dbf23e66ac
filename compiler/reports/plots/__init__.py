"""The plots of the HTML report, as inline SVG that follows the page's colours."""
