"""The look of the HTML report: light and dark, from a phone's width up; only what stands in a box scrolls sideways."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c1f24; --faint: #59616c; --rule: #d8dce2; --shade: #f3f5f8; --accent: #0a5aa8;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #16191d; --ink: #e5e7eb; --faint: #a2abb7; --rule: #363c45; --shade: #20242a; --accent: #7cb8f2; }
  .plot img { filter: invert(0.92) hue-rotate(180deg) brightness(1.2); }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 77rem; padding: 1.5rem 1.25rem 4rem; overflow-wrap: anywhere;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, sans-serif;
}
h1 { margin: 0 0 0.5rem; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0.4rem; padding-top: 0.6rem; border-top: 1px solid var(--rule); font-size: 1.3rem; }
h3 { margin: 1.8rem 0 0.2rem; font-size: 1.12rem; }
h4 { margin: 1.3rem 0 0.3rem; font-size: 0.98rem; }
p { margin: 0.3rem 0; max-width: 58rem; }
a { color: var(--accent); }
nav { margin: 0.8rem 0; }
nav a { margin-right: 1rem; white-space: nowrap; }
.faint, figcaption { color: var(--faint); font-size: 0.9rem; }
pre {
  margin: 0.8rem 0; padding: 0.6rem 0.8rem; border-radius: 6px; background: var(--shade);
  font: 0.82rem/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap;
}
.scroll { max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 0.24rem 0.55rem; border-bottom: 1px solid var(--rule); text-align: right; }
thead th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
tr > :first-child { text-align: left; }
tbody th { font-weight: 500; }
tbody tr:hover > * { background: var(--shade); }
tr > th:first-child { position: sticky; left: 0; background: var(--paper); }
table.methods { width: 100%; }
table.methods thead th { white-space: nowrap; }
table.methods tr > :first-child { width: 11rem; min-width: 8rem; overflow-wrap: anywhere; }
tr.group th { padding-top: 0.9rem; color: var(--faint); font-weight: 600; }
.control { color: var(--faint); font-style: italic; }
.absent { color: var(--faint); }
td strong { color: var(--accent); font-weight: 700; }
details { margin: 0.5rem 0; }
summary { cursor: pointer; color: var(--accent); }
details > .scroll { margin: 0.3rem 0 1rem; }
dl { margin: 0.5rem 0; max-width: 60rem; font-size: 0.94rem; }
dt { margin-top: 0.55rem; font-weight: 600; }
dd { margin: 0 0 0 1rem; }
figure { margin: 1.5rem 0; }
figcaption { margin-bottom: 0.4rem; max-width: 46rem; }
figure img { display: block; max-width: 100%; height: auto; }
@media (max-width: 40rem) {
  body { padding: 1rem 0.8rem 3rem; }
  h1 { font-size: 1.4rem; }
  th, td { padding: 0.3rem 0.45rem; }
}
@media print { details { break-inside: avoid; } .scroll { overflow: visible; } }
"""
