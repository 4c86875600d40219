/** How the learning rate changes over a run, as data: under the names that transformers and torch have for the curves. */

/** A part of all steps below 1, or a number of steps. */
export type Share = number | { readonly steps: number };

/** From 1 to 0: straight, as half a wave, or steep at first (Hägele et al., 2024, https://arxiv.org/abs/2405.18392). */
export type Descent = 'linear' | 'cosine' | '1-sqrt';

/** The curve after warm-up. What is left out has transformers' default, or torch's for the last two. */
export type Curve =
  | { readonly kind: 'constant' }
  /** Straight down to 0. */
  | { readonly kind: 'linear' }
  /** Waves down and up again, half of one by default: Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983 */
  | { readonly kind: 'cosine'; readonly cycles?: number }
  /** Half a wave again and again, from the top each time; default once. */
  | { readonly kind: 'cosine-with-restarts'; readonly cycles?: number }
  /** A cosine whose warm-up ends a step earlier and begins at a part of the rate; default with its first step. */
  | { readonly kind: 'cosine-warmup-with-min-lr'; readonly from?: number }
  /** Down to the minimum by a power of what is left; default 1. */
  | { readonly kind: 'polynomial'; readonly power?: number }
  /** By the root of the steps; `timescale` is where it would have been 1, by default the end of warm-up. */
  | { readonly kind: 'inverse-sqrt'; readonly timescale?: number }
  /** Constant, then down to the minimum over the last steps: Hu et al., "MiniCPM", 2024, https://arxiv.org/abs/2404.06395 */
  | {
      readonly kind: 'warmup-stable-decay';
      readonly decay: Share;
      readonly shape?: Descent;
      readonly warmupShape?: Descent;
    }
  /** Up from a part of the rate, and down to almost nothing: Smith and Topin, 2018, https://arxiv.org/abs/1708.07120 */
  | {
      readonly kind: 'one-cycle';
      /** The part of the run that goes up; default 0.3. */
      readonly rising?: number;
      /** The rate begins at 1 / this of itself; default 25. */
      readonly beginsAt?: number;
      /** And ends at 1 / this of its beginning; default 10 000. */
      readonly endsAt?: number;
    }
  /** Times a factor, by default 0.1, every so many steps. */
  | { readonly kind: 'step'; readonly every: number; readonly factor?: number };

/** Curves that are whole without settings. */
export type CurveName = Exclude<Curve['kind'], 'warmup-stable-decay' | 'step'>;

/** What a learning rate is made of. */
export interface Schedule {
  /** The largest rate. */
  readonly lr: number;
  /** Linear from zero; default none. */
  readonly warmup?: Share;
  /** Default constant. */
  readonly schedule?: CurveName | Curve;
  /** The rate at the end, as a part of `lr`, of curves that have one; default 0. */
  readonly minimum?: number;
}
