/**
 * Views of a picture as words that a language model knows already: heads name what each view shows, and the embeddings of
 * those names go in its place, the more certain the larger. The backbone then has little to learn but how to answer by them.
 *
 * The names of the classifier that the encoder was trained as come with it, so that photographs are named without having
 * seen any; heads beside it name drawings, flags and what lies in each ninth of a scene. Which of them speaks is decided by
 * the kind of picture.
 *
 * B pictures, D backbone width, C concepts, K colours, W words a name
 */
import {
  add,
  argMax,
  cast,
  concat,
  equal,
  exp,
  expand,
  flatten,
  gather,
  gelu,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  mul,
  not,
  reshape,
  select,
  slice,
  softmax,
  split,
  sub,
  sum,
  type Tensor,
  topK,
  unsqueeze,
} from '../../graph/index.js';
import { linear, normal, type Params, zeroed } from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { InputProjector } from '../types.js';

export interface NamedViewsConfig {
  /** How many concepts of drawings, how many flags, and classes of photographs have names. */
  readonly concepts: number;
  readonly flags: number;
  readonly photographs: number;
  readonly colours: number;
  /** Inner widths of the heads of the whole picture and of its ninths. */
  readonly hidden: number;
  readonly ninthHidden: number;
  /** Of the heads of a thing's colour. */
  readonly colourHidden: number;
  /** What a view begins with: channels of the encoder's last grid, then of a middle one, then shares of colours. */
  readonly views: { readonly last: number; readonly middle: number; readonly shares: number };
}

/** Kinds of pictures, in the order of their embeddings; the last is told apart from all others first. */
export const pictureKinds = ['drawing', 'scene', 'flag', 'photo'] as const;

/** Tokens of a name; of longer ones the rest is left to the backbone. */
export const nameWords = 3;

/** Tokens of a place: "top left". */
export const placeWords = 2;

/** Names that are told of the whole picture: the best, and the next. */
const guesses = 2;

const ninths = 9;
const viewCount = 1 + ninths;

/** Of a ninth: its place, how many things of its name there are, its colour, and the name. */
const ninthTokens = placeWords + 2 + nameWords;

/**
 * Embeddings a picture: its kind, the everyday word for a photograph's name, names of the whole, colours of ground and thing,
 * how many things there are, and of each ninth its place, how many things of its name there are, its colour and the name.
 */
export const namedViewTokens = 2 + guesses * nameWords + 2 + 1 + ninths * ninthTokens;

/** Scores of a picture as a whole, before any softmax. */
export interface WholeScores {
  /** Whether it is a photograph, [B, 2]: no, yes. */
  readonly photo: Tensor;
  /** Which kind it is otherwise, [B, 3]. */
  readonly kind: Tensor;
  /** [B, C], [B, flags], [B, photographs] */
  readonly concept: Tensor;
  readonly flag: Tensor;
  readonly photograph: Tensor;
  /** Of the ground and of the one thing on it, [B, K]. */
  readonly background: Tensor;
  readonly colour: Tensor;
}

/**
 * Views [B, 10, E] -> scores. Photographs are told and named by the last grid alone, as the encoder has learnt to; a thing's
 * colour by the shares of colours alone, since the rest is no help and is learnt by heart.
 */
export function wholeScores(p: Params, views: Tensor, config: NamedViewsConfig): WholeScores {
  const whole = select(views, 1, 0);
  const { last, middle } = config.views;
  const strongest = max(slice(slice(views, 1, 1, viewCount), 2, 0, last + middle), [1]);
  const inner = gelu(linear(p.at('whole'), concat([whole, strongest], 1), config.hidden));
  const pooled = slice(whole, 1, 0, last);
  return {
    photo: linear(p.at('photo'), pooled, 2),
    kind: linear(p.at('kind'), inner, pictureKinds.length - 1),
    concept: linear(p.at('concept'), inner, config.concepts),
    flag: linear(p.at('flag'), inner, config.flags),
    photograph: linear(p.at('photograph'), pooled, config.photographs),
    background: linear(p.at('background'), inner, config.colours),
    colour: colourScores(p, ['tint', 'colour'], flatten(sharesOf(views, config), 1, 2), config),
  };
}

/** Shares of colours [B, N, S] of views [B, N, E]. */
function sharesOf(views: Tensor, { views: { last, middle, shares } }: NamedViewsConfig): Tensor {
  return slice(views, 2, last + middle, last + middle + shares);
}

/** Shares of colours [..., S] -> scores [..., K], by two layers of these names. */
function colourScores(
  p: Params,
  [inner, outer]: readonly [string, string],
  shares: Tensor,
  { colourHidden, colours }: NamedViewsConfig,
): Tensor {
  return linear(p.at(outer), gelu(linear(p.at(inner), shares, colourHidden)), colours);
}

/** Scores of what lies in N ninths, before any softmax. */
export interface NinthScores {
  /** Nothing, then the concepts, [B, N, 1 + C]. */
  readonly concept: Tensor;
  /** [B, N, K] */
  readonly colour: Tensor;
}

/** Views of ninths [B, N, E] -> scores. */
export function ninthScores(p: Params, views: Tensor, config: NamedViewsConfig): NinthScores {
  const within = gelu(linear(p.at('ninth'), views, config.ninthHidden));
  return {
    concept: linear(p.at('ninth_concept'), within, 1 + config.concepts),
    colour: colourScores(p, ['ninth_tint', 'ninth_colour'], sharesOf(views, config), config),
  };
}

/** Views [B, 10, E] -> embeddings [B, 74, width]. */
export function namedViews(config: NamedViewsConfig): InputProjector {
  const { concepts, flags, photographs, colours } = config;
  return {
    kind: 'input-projector',
    forward(p, views, width) {
      if (views.size(1) !== viewCount) {
        throw new QuintetError('shape', `${viewCount} views are named, not ${views.size(1)}`);
      }
      const scores = wholeScores(p, views, config);
      const [drawn, photo] = split(softmax(scores.photo), 2, 1) as [Tensor, Tensor];
      const kinds = concat([mul(softmax(scores.kind), drawn), photo], 1); // [B, 4]
      const [drawing, scene] = split(kinds, pictureKinds.length, 1) as [Tensor, Tensor];
      // Of nothing, of concepts, of flags, of photographs.
      const names = p.get('names', [1 + concepts + flags + photographs, nameWords, width], normal(0.02));
      const palette = p.get('colours', [colours, width], normal(0.02));
      const ground = unsqueeze(coloured(palette, scores.background, drawn), 1);
      const thing = unsqueeze(coloured(palette, scores.colour, drawing), 1);
      const kind = unsqueeze(matmul(kinds, p.get('kinds', [pictureKinds.length, width], normal(0.02))), 1);
      // Classes with the same word are as certain of it together: a picture may be of one of many dogs.
      const classes = mul(softmax(scores.photograph), photo);
      const everyday = unsqueeze(matmul(classes, p.get('everyday', [photographs, width], normal(0.02))), 1);
      const within = ninthScores(p, slice(views, 1, 1, viewCount), config);
      const { words, filled, alike } = namedNinths(names, within.concept, scene);
      const numbers = p.get('numbers', [1 + ninths, width], normal(0.02));
      const count = unsqueeze(gather(numbers, maximum(sum(filled, [1]), 1)), 1);
      const places = p.get('places', [1, ninths, placeWords, width], normal(0.02));
      const where = expand(places, [views.dim(0), ninths, placeWords, width]);
      const own = coloured(palette, within.colour, unsqueeze(cast(filled, 'f32'), 2));
      const told = concat([where, unsqueeze(gather(numbers, alike), 2), unsqueeze(own, 2), words], 2);
      const tokens = [
        ...[kind, everyday, namedWhole(names, scores, kinds), ground, thing, count],
        reshape(told, [views.dim(0), ninths * ninthTokens, width]),
      ];
      return add(concat(tokens, 1), p.get('offsets', [namedViewTokens, width], zeroed));
    },
  };
}

/** The best names of the whole picture: [B, guesses * W, D] */
function namedWhole(names: Tensor, { concept, flag, photograph }: WholeScores, kinds: Tensor): Tensor {
  const [drawing, scene, flags, photo] = split(log(kinds), pictureKinds.length, 1) as [Tensor, Tensor, Tensor, Tensor];
  const joint = concat(
    [scene, add(drawing, logSoftmax(concept)), add(flags, logSoftmax(flag)), add(photo, logSoftmax(photograph))],
    1,
  );
  const { values, indices } = topK(joint, guesses); // [B, guesses]
  const words = sized(gather(names, indices), exp(values));
  return reshape(words, [words.dim(0), guesses * nameWords, words.size(3)]);
}

/**
 * What lies in each ninth of a scene, and nothing where the picture is none: words [B, 9, W, D]; whether there is anything
 * [B, 9], one or none; and how many of a ninth's name there are [B, 9], of nothing none.
 */
function namedNinths(names: Tensor, scores: Tensor, scene: Tensor): { words: Tensor; filled: Tensor; alike: Tensor } {
  const likely = mul(softmax(scores), unsqueeze(scene, 1)); // [B, 9, 1 + C]
  const nothing = add(slice(likely, 2, 0, 1), unsqueeze(sub(1, scene), 1));
  const all = concat([nothing, slice(likely, 2, 1, scores.size(2))], 2);
  const best = argMax(all);
  const filled = cast(not(equal(best, 0)), 'i64');
  const same = cast(equal(unsqueeze(best, 1), unsqueeze(best, 2)), 'i64'); // [B, 9, 9]
  return {
    words: sized(gather(names, best), max(all, [2])),
    filled,
    alike: mul(filled, sum(same, [2])),
  };
}

/** The likeliest colours of scores [..., K] as words [..., D], as far as they are asked for: weight [..., 1]. */
function coloured(palette: Tensor, scores: Tensor, weight: Tensor): Tensor {
  const certain = mul(max(softmax(scores), [scores.rank - 1], { keep: true }), weight);
  return mul(gather(palette, argMax(scores)), certain);
}

/** Words [..., W, D] of names that are as certain [...]. */
function sized(words: Tensor, certain: Tensor): Tensor {
  const size = add(0.5, mul(0.5, certain));
  return mul(words, unsqueeze(unsqueeze(size, size.rank), size.rank + 1));
}

/** The configuration in a `config.json`, but for what the encoder makes views of. */
export function readNamedViews(config: Fields): Omit<NamedViewsConfig, 'views'> {
  return {
    concepts: config.whole('num_concepts'),
    flags: config.whole('num_flags'),
    photographs: config.whole('num_photograph_classes', 1000),
    colours: config.whole('num_colors'),
    hidden: config.whole('hidden_size', 768),
    ninthHidden: config.whole('ninth_hidden_size', 768),
    colourHidden: config.whole('color_hidden_size', 256),
  };
}
