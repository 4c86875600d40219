/** What was answered rightly, as tables of Markdown with 95 % intervals. */
import { interval } from '../interval.js';
import { isYes, type Judged, presence } from './judge.js';
import { isRoundabout, type TurnKind, turnKinds, type Wording } from './wordings.js';

type Counted = Required<Pick<Judged, 'things'>>['things'];

/** Answers of a set; to one kind of question, in one wording, where they are given. */
const chosen = (judged: readonly Judged[], set: string, kind?: TurnKind, wording?: Wording): readonly Judged[] =>
  judged.filter(
    (one) => one.set === set && (kind ?? one.kind) === one.kind && (wording ?? one.wording) === one.wording,
  );

const rights = (answers: readonly Judged[]): string => interval(answers.map(({ right }) => right));

/** Of answers about one thing or a colour, how many say the right name. */
function named(answers: readonly Judged[]): string {
  return interval(answers.flatMap((one) => (one.named === undefined ? [] : [one.named])));
}

/** Of the things that are shown, how many are said; and of those that are said, how many are shown. */
function things(answers: readonly Judged[]): { readonly found: string; readonly precise: string } {
  const counted = answers.flatMap((one) => (one.things ? [one.things] : []));
  const all = (pick: (one: Counted) => number): boolean[] =>
    counted.flatMap((one) => Array.from({ length: pick(one) }, (_, i) => i < one.found));
  return { found: interval(all(({ shown }) => shown)), precise: interval(all(({ said }) => said)) };
}

/** What was aimed at, in per cent, and what was reached. */
export function reached(judged: readonly Judged[]): string {
  const both = (set: string, kind: TurnKind, tell = rights): string =>
    (['trained', 'new'] as const).map((wording) => tell(chosen(judged, set, kind, wording))).join('; ');
  const described = (set: string): readonly Judged[] => chosen(judged, set, 'describe', 'trained');
  const { found, precise } = things(described('scenes'));
  // All kinds of questions about pictures in the styles of training; of names and colours whether they are right.
  const known = /^(drawings|scenes|flags|photographs)(,|$)/;
  const worded = (pick: (one: Judged) => boolean): string =>
    interval(judged.filter((one) => known.test(one.set) && pick(one)).map(({ named, right }) => named ?? right));
  const isNew = (one: Judged, roundabout: boolean): boolean =>
    one.wording === 'new' && one.kind !== 'general' && isRoundabout(one.kind, one.question) === roundabout;
  const rows = [
    ['drawing named exactly, seen styles', '85', named(described('drawings'))],
    ['drawing named exactly, unseen style', '35', named(described('drawings-unseen-style'))],
    ['things of a scene that are found', '92', found],
    ['things said of a scene that are there', '95', precise],
    ['is there a …? accuracy in scenes', '94', both('scenes', 'is-there')],
    ['… F1 of yes', '94', both('scenes', 'is-there', presence)],
    [
      '… of absent things that share a word with one that is there',
      '–',
      rights(chosen(judged, 'scenes, absent alike')),
    ],
    ['where is …?', '80', both('scenes', 'where')],
    ['… of what is not there: that it is not', '–', both('scenes, absent', 'where')],
    ['what is at …? named', '90', both('scenes', 'what-at', named)],
    ['… letter for letter', '–', both('scenes', 'what-at')],
    ['how many things are there?', '85', both('scenes', 'count')],
    ['how many of one?', '–', both('scenes', 'count-of')],
    ['colour of the background', '95', both('scenes', 'background')],
    ['colour of a drawn thing', '75', both('drawings', 'color', named)],
    ['… letter for letter', '–', both('drawings', 'color')],
    ['… of a thing in a scene', '75', both('scenes', 'color', named)],
    ['all questions in trained wordings', '–', worded(({ wording }) => wording === 'trained')],
    ['… in new ones', 'within 10', worded((one) => isNew(one, false))],
    ['… in new, roundabout ones', 'within 10', worded((one) => isNew(one, true))],
    ['what no picture tells: that it does not', '–', both('scenes', 'beyond')],
    ['general knowledge beside a picture', '–', rights(chosen(judged, 'general knowledge, beside a scene'))],
    ['… of the base model, without one', '–', rights(chosen(judged, 'general knowledge, alone'))],
    ['photograph named, words fixed beforehand', '60', rights(described('photographs'))],
    ['… cut out before white', '60', rights(described('photographs, cut out'))],
  ];
  return ['| what | goal | reached |', '|---|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}

/** Each set and kind of question, in the wordings of training and in others. */
export function tables(judged: readonly Judged[]): string {
  return [...new Set(judged.map(({ set }) => set))].map((set) => table(judged, set)).join('\n\n');
}

function table(judged: readonly Judged[], set: string): string {
  const lines = [`| ${set} | trained wordings | new wordings |`, '|---|---|---|'];
  const row = (name: string, kind: TurnKind, tell: (answers: readonly Judged[]) => string): void => {
    const [trained, other] = (['trained', 'new'] as const).map((wording) => tell(chosen(judged, set, kind, wording)));
    lines.push(`| ${name} | ${trained} | ${other} |`);
  };
  for (const kind of turnKinds) {
    const answers = chosen(judged, set, kind);
    if (answers.length === 0) continue;
    row(kind, kind, rights);
    if (kind === 'is-there' && new Set(answers.map(isYes)).size > 1) row('… F1 of yes', kind, presence);
    if (answers.some((one) => one.named !== undefined)) row('… rightly named', kind, named);
    if (!answers.some((one) => one.things)) continue;
    row('… things found', kind, (told) => things(told).found);
    row('… things said that are there', kind, (told) => things(told).precise);
  }
  return lines.join('\n');
}

/** Of each set the first answer of each kind in its turn, then the first that is wrong: by chance as far as they are right. */
export function samples(judged: readonly Judged[]): string {
  const lines = ['| picture | question | answer | right would be |', '|---|---|---|---|'];
  const row = ({ shown, question, said, answer, right }: Judged): void => {
    lines.push(`| ${shown} | ${question} | ${said.replaceAll('|', '/')} | ${right ? '✓' : answer} |`);
  };
  for (const [turn, set] of [...new Set(judged.map((one) => one.set))].entries()) {
    const own = chosen(judged, set);
    const kinds = [...new Set(own.map(({ kind }) => kind))];
    const kind = kinds[turn % kinds.length] as TurnKind;
    const [first] = chosen(own, set, kind);
    const wrong = own.find((one) => !one.right && one !== first);
    if (first) row(first);
    if (wrong) row(wrong);
  }
  return lines.join('\n');
}
