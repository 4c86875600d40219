/**
 * Infused adapters: vectors that scale what layers give, or what layers of a perceptron are given.
 *
 * Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning", 2022,
 * https://arxiv.org/abs/2205.05638 (section 3.3)
 */
import { mul, reshape } from '../../graph/index.js';
import { type Glob, matches, ones, wrapScope } from '../../nn/index.js';
import { type Adapter, changeProducts, namesIn, type Placed, settingsFor, takesPart } from './adapter.js';

export interface Ia3Options extends Placed {
  /** Of these layers, those whose x is scaled; default none. */
  readonly inputs?: readonly Glob[];
}

/** Scales linear layers. */
export function ia3(settings: Ia3Options): Adapter {
  const { inputs = [] } = settings;
  const names = ['ia3_l'];
  return {
    merges: true,
    parameters: namesIn([settings], names),
    adapt(p) {
      const products = changeProducts(p, { settings: [settings], names }, ({ p: at, x, product }) => {
        if (!matches(at.path, inputs)) return product(x);
        const width = x.size(-1);
        return product(mul(x, reshape(at.get('ia3_l', [1, width], ones), [width])));
      });
      return wrapScope(products, (inner) => {
        const own = settingsFor([settings], inner.path) && !matches(inner.path, inputs);
        if (!own || !takesPart(inner, names)) return {};
        return {
          result(y) {
            const out = y.size(-1);
            return mul(inner.result(y), reshape(inner.get('ia3_l', [out, 1], ones), [out]));
          },
        };
      });
    },
  };
}
