/** What a report tells in words: answers as they changed, evaluations, settings, data. */

import { formatCount } from '../../tensor/index.js';
import { bestOf } from '../evaluations.js';
import { formatLoss } from './figures.js';
import { type Html, html } from './html.js';
import type { ReportedRun, ReportedStage } from './read-run.js';

/** A part of every run, side by side; undefined where none has any. */
export function beside(title: string, runs: readonly ReportedRun[], part: (run: ReportedRun) => Html | undefined) {
  const parts = runs.map((run, index) => ({ run, index, own: part(run) })).filter(({ own }) => own);
  if (parts.length === 0) return undefined;
  return html`<section><h2>${title}</h2><div class="${runs.length > 1 ? 'columns' : 'stack'}">
${parts.map(({ run, index, own }) => (runs.length > 1 ? html`<div class="stack"><h3 class="name run${index}"><i class="swatch"></i>${run.name}</h3>${own}</div>` : own))}
</div></section>
`;
}

/** The answers to every sample question, of each stage. */
export function answers(run: ReportedRun): Html | undefined {
  const stages = run.stages.filter(({ evaluations }) => evaluations.some((own) => (own.answers ?? []).length > 0));
  if (stages.length === 0) return undefined;
  return html`<div class="stack">${stages.map((stage) =>
    stage.questions.map(
      (question, i) => html`<div class="card question">
${thumbnails(stage.thumbnails[i] ?? [])}
<div style="flex:1;min-width:0"><p class="prompt">${question.prompt}</p>
<dl class="answers">${steadyAnswers(stage, i).map(
        ({ from, to, answer }) => html`<dt>${placeOf(run, stage, from, to)}</dt><dd>${answer || '(nothing)'}</dd>`,
      )}</dl></div></div>
`,
    ),
  )}</div>`;
}

function thumbnails(pictures: readonly (string | undefined)[]): Html | undefined {
  if (pictures.length === 0) return undefined;
  return html`<div class="thumbs">${pictures.map((data) =>
    data ? html`<img src="${data}" alt="">` : html`<span class="gone">picture not found</span>`,
  )}</div>`;
}

interface Steady {
  readonly from: number;
  readonly to: number;
  readonly answer: string;
}

/** Answers to a question by the evaluations that they stayed the same for. */
export function steadyAnswers({ evaluations }: Pick<ReportedStage, 'evaluations'>, question: number): Steady[] {
  const result: Steady[] = [];
  for (const { step, answers } of evaluations) {
    const answer = answers?.[question];
    if (answer === undefined) continue;
    const before = result.at(-1);
    if (before?.answer === answer) result[result.length - 1] = { ...before, to: step };
    else result.push({ from: step, to: step, answer });
  }
  return result;
}

function placeOf({ stages }: ReportedRun, { name }: ReportedStage, from: number, to: number): string {
  const steps = from === to ? `step ${from}` : `steps ${from}–${to}`;
  return stages.length > 1 ? `${name}, ${steps}` : steps;
}

/** Held-out losses and metrics, a line an evaluation. */
export function evaluations(run: ReportedRun): Html | undefined {
  const stages = run.stages.filter((stage) => stage.evaluations.some(({ loss }) => loss !== undefined));
  if (stages.length === 0) return undefined;
  return html`${stages.map((stage) => {
    const best = bestOf(stage.evaluations);
    const names = [...new Set(stage.evaluations.flatMap(({ metrics }) => Object.keys(metrics ?? {})))];
    return html`<div class="card scroll"><table>
<thead><tr><th>${run.stages.length > 1 ? `${stage.name}, step` : 'Step'}</th><th>Loss</th>${names.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${stage.evaluations.map(
      ({ step, loss, metrics }) =>
        html`<tr><th>${step}</th><td class="${step === best?.step ? 'best' : ''}">${loss === undefined ? '' : formatLoss(loss)}</td>${names.map((name) => html`<td>${metrics?.[name]?.toPrecision(4)}</td>`)}</tr>`,
    )}</tbody></table></div>
`;
  })}`;
}

/** Settings of all runs in one table: a line each, and those marked in which runs differ. */
export function settings(runs: readonly ReportedRun[]): Html {
  const columns = runs.map((run) => new Map(settingsOf(run)));
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const rows = names.map((name) => {
    const values = columns.map((column) => column.get(name) ?? '');
    const differs = values.some((value) => value !== values[0]);
    return html`<tr class="${differs ? 'differs' : ''}"><th>${name}</th>${values.map((value) => html`<td>${value}</td>`)}</tr>
`;
  });
  const heads = runs.map(
    ({ name }, i) => html`<th><span class="name run${i}"><i class="swatch"></i>${name}</span></th>`,
  );
  return html`<section><h2>What was asked for</h2><div class="card scroll"><table>
${runs.length > 1 && html`<thead><tr><th></th>${heads}</tr></thead>`}<tbody>${rows}</tbody></table></div></section>
`;
}

function settingsOf({ model, seed, stages, engine }: ReportedRun): [string, string][] {
  const common: [string, string][] = [
    ['model', `${model.source}${model.fresh ? ', from random parameters' : ''}`],
    ['network', `${model.network}${model.paper ? `, ${model.paper}` : ''}`],
    ['parameters', formatCount(model.parameters)],
    ['seed', String(seed)],
  ];
  const own = stages.flatMap((stage) => {
    const start = stages.length > 1 ? `${stage.name}: ` : '';
    const share = ((100 * stage.trained) / Math.max(1, model.parameters)).toPrecision(3);
    const rows: [string, string][] = [
      ['data', `${stage.data.join(', ')} (${stage.samples} samples)`],
      ...(stage.heldOut
        ? [['held out', `${stage.heldOut.data} (${stage.heldOut.samples} samples)`] as [string, string]]
        : []),
      ['learns', `${formatCount(stage.trained)} parameters, ${Number(share)} % of all`],
      ['steps', `${stage.steps} of ${stage.batch} samples`],
      ...Object.entries(stage.settings).flatMap(([name, value]) => flat(name, value)),
    ];
    return rows.map(([name, value]): [string, string] => [start + name, value]);
  });
  return [...common, ...own, ['engine', engine]];
}

/** Settings within settings by their paths. */
function flat(name: string, value: unknown): [string, string][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([inner, own]) => flat(`${name}.${inner}`, own));
  }
  return [[name, Array.isArray(value) ? value.map(plain).join(', ') : plain(value)]];
}

const plain = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

const mostBad = 20;

/** What was wrong with samples that were passed over. */
export function badSamples(run: ReportedRun): Html | undefined {
  const bad = run.stages.flatMap((stage) => stage.bad);
  if (bad.length === 0) return undefined;
  const all = run.stages.reduce((sum, { samples }) => sum + samples, 0);
  return html`<div class="card"><p>${bad.length} of ${all} samples could not be used.</p>
<ul class="bad">${bad.slice(0, mostBad).map((message) => html`<li>${message}</li>`)}</ul>
${bad.length > mostBad && html`<p class="soft">… and ${bad.length - mostBad} more, in bad-samples.jsonl</p>`}</div>
`;
}

export function runFile(run: ReportedRun): Html {
  return html`<details class="card"><summary>the run file</summary><pre>${run.file}</pre></details>
`;
}
