/**
 * Fine-tuning of what is small: norms whole, and biases of layers.
 *
 * Qi et al., "Parameter-Efficient Tuning on Normalization Layers", 2022, https://arxiv.org/abs/2211.08682; Ben Zaken et
 * al., "BitFit", 2021, https://arxiv.org/abs/2106.10199
 */
import { add, reshape } from '../../graph/index.js';
import { wrapScope, zeroed } from '../../nn/index.js';
import { type Adapter, namesIn, type Placed, settingsFor, takesPart } from './adapter.js';

/** The layers' own parameters learn. */
export function layerTuning(settings: Placed): Adapter {
  return { merges: true, adapt: (p) => p, parameters: settings.on.map((glob) => `${glob}.*`) };
}

const names = ['beft_bias'];

/** What is added to the biases of linear layers learns, or biases where there are none. */
export function biasTuning(settings: Placed): Adapter {
  return {
    merges: true,
    parameters: namesIn([settings], names),
    adapt: (p) =>
      wrapScope(p, (inner) => {
        if (!settingsFor([settings], inner.path) || !takesPart(inner, names)) return {};
        return {
          result(y) {
            const out = y.size(-1);
            return add(inner.result(y), reshape(inner.get('beft_bias', [1, out], zeroed), [out]));
          },
        };
      }),
  };
}
