"""Plain pages for a visitor who is not in yet: paste the token, or wait for the API."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, Response

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
{head}<title>{title} – Normscope</title>
<style>
:root {{ --ink: #212529; --soft: #5c636a; --line: #dee2e6; --page: #fff; --action: #4c6ef5; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #d5d5d5; --soft: #9a9a9a; --line: #424242; --page: #242424; --action: #3b5bdb; }}
}}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page);
  color: var(--ink); font: 14px/1.5 Inter, system-ui, sans-serif; }}
main {{ width: min(400px, calc(100vw - 64px)); border: 1px solid var(--line); border-radius: 8px;
  padding: 24px; }}
svg {{ height: 22px; }}
h1 {{ font-size: 20px; margin: 12px 0 4px; }}
p {{ margin: 0 0 14px; color: var(--soft); }}
label {{ display: block; font-weight: 600; margin-bottom: 4px; }}
input {{ box-sizing: border-box; width: 100%; padding: 8px 10px; border: 1px solid var(--line);
  border-radius: 8px; background: transparent; color: inherit; font: inherit; }}
button {{ margin-top: 12px; padding: 8px 16px; border: 0; border-radius: 8px; color: #fff;
  background: var(--action); font: inherit; font-weight: 600; cursor: pointer; }}
:focus-visible {{ outline: 2px solid var(--action); outline-offset: 2px; }}
code {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; }}
.wrong {{ color: #e03131; }}
</style>
</head>
<body><main>
<svg viewBox="0 0 28 22" fill="none" stroke="#D55E00" stroke-width="2.2" aria-hidden="true">
<path d="M1.6 1v20M5.2 1v20M22.8 1v20M26.4 1v20M9.6 7.6l2.2 7.4 2.2-6.6 2.2 6.6 2.2-7.4"/></svg>
{body}
</main></body>
</html>
"""

_LOGIN = """<h1>Normscope needs its token</h1>
<p>Open the address that <code>make run</code> printed; it ends in <code>/?token=…</code>.
Or paste the token here. It also lies in the data folder, in the file <code>token</code>.</p>
{wrong}<form method="post" action="/login">
<input type="hidden" name="next" value="{target}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Come in</button>
</form>"""

_AWAY = """<h1>The API is away</h1>
<p>This page tries again every few seconds and goes on by itself. If it stays, look at the lines
of <code>api</code> where Normscope was started.</p>"""


def login_page(target: str, *, wrong: bool) -> Response:
    """401, and how to get in; `target` is where the visitor wanted to go."""
    told = '<p class="wrong" role="alert">That token does not open this explorer.</p>\n'
    body = _LOGIN.format(wrong=told if wrong else "", target=escape(target, quote=True))
    html = _PAGE.format(head="", title="Token needed", body=body)
    return HTMLResponse(
        html, 401, {"Cache-Control": "no-store", "WWW-Authenticate": 'Bearer realm="normscope"'}
    )


def away_page() -> Response:
    """503: nobody can say whether the visitor may come in."""
    again = '<meta http-equiv="refresh" content="3">\n'
    html = _PAGE.format(head=again, title="The API is away", body=_AWAY)
    return HTMLResponse(html, 503, {"Cache-Control": "no-store", "Retry-After": "3"})
