/** What a report tells in words: answers as they changed, evaluations, settings, data. */

import { formatCount } from '../../tensor/index.js';
import { formatCost } from '../estimate/forecast.js';
import { bestOf, type Evaluated, verdictOf } from '../evaluations.js';
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

/** The answers to every sample question, over all stages. */
export function answers(run: ReportedRun): Html | undefined {
  const asked = questionsOf(run);
  if (asked.length === 0) return undefined;
  return html`<div class="cards">${asked.map(
    ({ prompt, pictures, said }) => html`<div class="card question">
${thumbnails(pictures)}
<div class="said"><p class="prompt">${prompt}</p>
<dl class="answers">${said.map(({ place, answer }) => html`<dt>${place}</dt><dd>${answer || '(nothing)'}</dd>`)}</dl></div></div>
`,
  )}</div>`;
}

interface Asked {
  readonly prompt: string;
  readonly pictures: readonly (string | undefined)[];
  readonly said: { readonly place: string; readonly answer: string }[];
}

/** Questions that several stages ask are one. */
function questionsOf(run: ReportedRun): Asked[] {
  const asked = new Map<string, Asked>();
  for (const stage of run.stages) {
    for (const [i, { prompt, pictures }] of stage.questions.entries()) {
      const key = JSON.stringify([prompt, pictures]);
      const own = asked.get(key) ?? { prompt, pictures: stage.thumbnails[i] ?? [], said: [] };
      for (const { from, to, answer } of steadyAnswers(stage, i)) {
        own.said.push({ place: placeOf(run, stage, { from, to }), answer });
      }
      asked.set(key, own);
    }
  }
  return [...asked.values()].filter(({ said }) => said.length > 0);
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

function placeOf({ stages }: ReportedRun, { name }: ReportedStage, { from, to }: Pick<Steady, 'from' | 'to'>): string {
  const steps = from === to ? `step ${from}` : `steps ${from}–${to}`;
  return stages.length > 1 ? `${name}, ${steps}` : steps;
}

/** The loss of an evaluation and what else was told, by name. */
const valuesOf = ({ loss, metrics = {} }: Evaluated): Readonly<Record<string, number>> =>
  loss === undefined ? metrics : { loss, ...metrics };

const formatValue = (name: string, value: number): string =>
  name === 'loss' ? formatLoss(value) : value.toPrecision(4);

/** Held-out losses or rewards, and other metrics, a line an evaluation. */
export function evaluations(run: ReportedRun): Html | undefined {
  const stages = run.stages.filter((stage) => stage.evaluations.some(verdictOf));
  if (stages.length === 0) return undefined;
  return html`<div class="cards">${stages.map((stage) => {
    const best = bestOf(stage.evaluations);
    const names = [...new Set(stage.evaluations.flatMap((evaluation) => Object.keys(valuesOf(evaluation))))];
    const cell = (evaluation: Evaluated, name: string): Html => {
      const value = valuesOf(evaluation)[name];
      const isBest = evaluation.step === best?.step && verdictOf(evaluation)?.name === name;
      return html`<td class="${isBest ? 'best' : ''}">${value === undefined ? '' : formatValue(name, value)}</td>`;
    };
    return html`<div class="card scroll"><table>
<thead><tr><th>${run.stages.length > 1 ? `${stage.name}, step` : 'Step'}</th>${names.map((name) => html`<th>${name === 'loss' ? 'Loss' : name}</th>`)}</tr></thead>
<tbody>${stage.evaluations.map(
      (evaluation) => html`<tr><th>${evaluation.step}</th>${names.map((name) => cell(evaluation, name))}</tr>`,
    )}</tbody></table></div>
`;
  })}</div>`;
}

/** A column of the table of settings. */
interface Column {
  readonly run: ReportedRun;
  readonly stage: ReportedStage;
  readonly index: number;
  readonly values: ReadonlyMap<string, string>;
}

/** Settings of all stages of all runs side by side; marked are those in which runs differ in a stage of the same name. */
export function settings(runs: readonly ReportedRun[]): Html {
  const columns = runs.flatMap((run, index) =>
    run.stages.map((stage): Column => ({ run, stage, index, values: new Map(settingsOf(run, stage)) })),
  );
  const names = [...new Set(columns.flatMap(({ values }) => [...values.keys()]))];
  const common = runs.map((run) => new Map(commonSettings(run)));
  const rows = [
    ...[...(common[0]?.keys() ?? [])].map((name) => {
      const values = common.map((own) => own.get(name));
      const cells = values.map((value, i) => html`<td colspan="${runs[i]?.stages.length ?? 1}">${value}</td>`);
      return row(
        name,
        cells,
        values.some((value) => value !== values[0]),
      );
    }),
    ...(columns.length > 1 ? [html`<tr><th></th>${columns.map(columnHead)}</tr>`] : []),
    ...names.map((name) =>
      row(
        name,
        columns.map(({ values }) => html`<td>${values.get(name)}</td>`),
        columns.some(({ stage, values }) =>
          columns.some((other) => other.stage.name === stage.name && other.values.get(name) !== values.get(name)),
        ),
      ),
    ),
  ];
  return html`<section><h2>What was asked for</h2><div class="card scroll"><table><tbody>
${rows}</tbody></table></div></section>
`;
}

const row = (name: string, cells: readonly Html[], differs: boolean): Html =>
  html`<tr class="${differs ? 'differs' : ''}"><th>${name}</th>${cells}</tr>
`;

const columnHead = ({ stage, index }: Column): Html =>
  html`<td class="stage"><span class="name run${index}"><i class="swatch"></i>${stage.name}</span></td>`;

function commonSettings({ model, seed, engine }: ReportedRun): [string, string][] {
  return [
    ['model', `${shortPath(model.source)}${model.fresh ? ', from random parameters' : ''}`],
    ['network', `${model.network}${model.paper ? `, ${model.paper}` : ''}`],
    ['parameters', formatCount(model.parameters)],
    ['seed', String(seed)],
    ['engine', engine.split(',')[0] as string],
  ];
}

function settingsOf({ model }: ReportedRun, stage: ReportedStage): [string, string][] {
  const share = ((100 * stage.trained) / Math.max(1, model.parameters)).toPrecision(3);
  const { heldOut } = stage;
  return [
    ['data', `${stage.data.map(shortPath).join(', ')}: ${stage.samples} samples`],
    ...(heldOut
      ? [['held out', `${heldOut.data.map(shortPath).join(', ')}: ${heldOut.samples} samples`] as [string, string]]
      : []),
    ['learns', `${formatCount(stage.trained)} parameters, ${Number(share)} % of all`],
    ['steps', `${stage.steps} of ${stage.batch} samples`],
    ...readRows(stage),
    ...estimateRows(stage),
    ...Object.entries(stage.settings).flatMap(([name, value]) => flat(name, value)),
  ];
}

/** How much was read so far, and the part of it that was learnt. */
function readRows({ logged, settings }: ReportedStage): [string, string][] {
  const sum = (part: 'tokens' | 'targets'): number => logged.reduce((total, step) => total + step[part], 0);
  const [tokens, targets] = [sum('tokens'), sum('targets')];
  if (tokens === 0) return [];
  const share = Number(((100 * targets) / tokens).toPrecision(3));
  const learnt = settings.objective === 'next-token' ? `, of which ${share} % learnt` : '';
  return [['read so far', `${formatCount(tokens)} tokens${learnt}`]];
}

/** What the steps were expected to take, beside what they took. */
function estimateRows({ estimate }: ReportedStage): [string, string][] {
  if (!estimate) return [];
  const { estimated, was } = estimate;
  return [['estimated', formatCost(estimated)], ...(was ? [['was', formatCost(was)] as [string, string]] : [])];
}

/** The end of a path, which tells it from others. */
const shortPath = (path: string): string => (/^[/\\]|^\w:/.test(path) ? path.split(/[/\\]/).slice(-2).join('/') : path);

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
  return html`<div class="card"><pre>${run.file.trimEnd()}</pre></div>
`;
}
