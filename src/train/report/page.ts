/** A run, or several side by side, as one HTML page that needs nothing else: no script, no network. */

import { charts } from './curves.js';
import { answers, badSamples, beside, evaluations, runFile, settings } from './details.js';
import { figuresOf } from './figures.js';
import { type Html, html, raw } from './html.js';
import type { ReportedRun } from './read-run.js';
import { smoothings, styleSheet } from './style.js';

export function reportPage(runs: readonly ReportedRun[]): string {
  const title = runs.map(({ name }) => name).join(', ');
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title}</title>
<style>${raw(styleSheet)}</style>
</head>
<body class="${runs.length > 1 ? 'several' : 'single'}">
<header>${heading(runs)}</header>
<main>
<section class="stack" style="margin-top:18px">${runs.map(runCard)}</section>
${curves(runs)}
${beside('Sample answers', runs, answers)}
${beside('Evaluations', runs, evaluations)}
${settings(runs)}
${beside('Samples that were passed over', runs, badSamples)}
${beside('Run file', runs, runFile)}
</main>
<footer>Made by Quintet from what the run has logged so far.</footer>
</body>
</html>
`;
  return page.html;
}

function heading([run, ...others]: readonly ReportedRun[]): Html | undefined {
  if (!run) return undefined;
  if (others.length > 0) return html`<h1>${others.length + 1} runs</h1>`;
  const { model, started } = run;
  const began = started === undefined ? '' : `, begun ${dateOf(started)}`;
  const from = model.fresh ? ', from random parameters' : '';
  return html`<div class="name"><h1>${run.name}</h1>${stateOf(run)}</div>
<p class="soft">${model.network}${from}${began}</p>`;
}

const stateOf = ({ state }: ReportedRun): Html => html`<span class="state ${state}">${state}</span>`;

/** The environment's time zone would make two readers see two times. */
function dateOf(milliseconds: number): string {
  const format = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return `${format.format(milliseconds)} UTC`;
}

function runCard(run: ReportedRun, index: number, { length }: readonly ReportedRun[]): Html {
  const figures = figuresOf(run).map(
    ({ name, value, remark }) =>
      html`<div><dt>${name}</dt><dd>${value}${remark && html`<small>${remark}</small>`}</dd></div>`,
  );
  const name = length > 1 && html`<div class="name"><i class="swatch"></i><h3>${run.name}</h3>${stateOf(run)}</div>`;
  const failure = run.state === 'failed' && html`<p class="failure">${run.error}</p>`;
  return html`<div class="card run${index}">${name}${failure}
<dl class="figures">${figures}</dl></div>
`;
}

function curves(runs: readonly ReportedRun[]): Html | undefined {
  const all = charts(runs);
  if (all.length === 0) return undefined;
  return html`<section><h2>Curves</h2>
<div class="controls">
<fieldset><legend>Scale</legend><span class="choice">${(['linear', 'log'] as const).map((name) => radio('scale', name, name, name === 'linear'))}</span></fieldset>
<fieldset><legend>Smoothing</legend><span class="choice">${smoothings.map(({ weight, usual }) => radio('smoothing', `smooth${weight * 100}`, weight === 0 ? 'none' : String(weight), usual))}</span></fieldset>
</div>
<div class="charts">
${all}</div></section>
`;
}

const radio = (group: string, id: string, text: string, checked: boolean): Html =>
  html`<label><input type="radio" name="${group}" id="${id}"${checked && raw(' checked')}><span>${text}</span></label>`;
