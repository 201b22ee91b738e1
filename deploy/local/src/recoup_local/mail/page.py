"""The look of the mail page: plain HTML, readable on a phone, without scripts."""

from collections.abc import Iterable
from html import escape

from recoup_local.mail.box import Mail

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem; border-radius: .4rem }
th, td.quiet { white-space: nowrap; vertical-align: top }
iframe { width: 100%; height: 36rem; border: 1px solid #8884; border-radius: .4rem; background: #fff }
nav, .quiet { color: #777 } li { overflow-wrap: anywhere }
input { font: inherit; padding: .3rem .5rem; width: min(24rem, 60%) }
"""


def listing(mails: Iterable[Mail], total: int, to: str) -> str:
    """The list, the newest first; it looks again every five seconds."""
    rows = "".join(
        f'<tr><td><a href="/messages/{mail.id}">{escape(mail.subject) or "(no subject)"}</a></td>'
        f"<td>{escape(', '.join(mail.recipients))}</td>"
        f'<td class="quiet">{mail.received_at:%H:%M:%S}</td></tr>'
        for mail in mails
    )
    table = f"<table><tr><th>Subject</th><th>To</th><th>UTC</th></tr>{rows}</table>"
    return _frame(
        "Mail",
        f'<h1>Mail <span class="quiet">{total}</span></h1>'
        f'<form><input name="to" type="email" placeholder="to" aria-label="to" value="{escape(to)}"></form>'
        + (table if rows else '<p class="quiet">Nothing yet.</p>'),
        head='<meta http-equiv="refresh" content="5">',
    )


def mail(shown: Mail) -> str:
    """One mail."""
    links = "".join(
        f'<li><a href="{escape(link)}" rel="noreferrer">{escape(link)}</a></li>'
        if link.startswith(("http://", "https://"))
        else f"<li>{escape(link)}</li>"
        for link in shown.links
    )
    headers = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in shown.headers
    )
    html = (
        f'<h2>HTML</h2><iframe title="HTML of the mail" sandbox="allow-popups allow-popups-to-escape-sandbox" \
src="/messages/{shown.id}/html"></iframe>'
    )
    return _frame(
        shown.subject or "(no subject)",
        f'<nav><a href="/">All mail</a></nav><h1>{escape(shown.subject) or "(no subject)"}</h1>'
        f"<p>{escape(shown.sender)} → {escape(', '.join(shown.recipients))}, {shown.received_at:%d %b %H:%M:%S} UTC</p>"
        + (html if shown.html else "")
        + (f"<h2>Text</h2><pre>{escape(shown.text)}</pre>" if shown.text else "")
        + (f"<h2>Links</h2><ul>{links}</ul>" if links else "")
        + f'<h2>Headers</h2><table>{headers}</table><p><a href="/api/messages/{shown.id}/raw">as it came</a></p>',
    )


def _frame(title: str, body: str, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">{head}<style>{_STYLE}</style>'
        f"<body>{body}</body></html>"
    )
