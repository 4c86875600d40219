/**
 * Bottleneck adapters: y + U relu(D y + d) + u behind linear layers, where U begins at zero. They stand behind the last layer
 * of attention and of the perceptron of each block.
 *
 * Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", 2019, https://arxiv.org/abs/1902.00751
 */
import { add, relu } from '../../graph/index.js';
import { linear, wrapScope, zeroed } from '../../nn/index.js';
import { type Adapter, namesIn, type Placed, settingsFor, takesPart } from './adapter.js';

export interface BottleneckOptions extends Placed {
  /** Width within. */
  readonly width: number;
}

const names = ['down', 'up'].flatMap((name) => [`adapter_${name}.weight`, `adapter_${name}.bias`]);

export function bottleneck(...settings: readonly BottleneckOptions[]): Adapter {
  return {
    merges: false,
    parameters: namesIn(settings, names),
    adapt: (p) =>
      wrapScope(p, (inner) => {
        const own = settingsFor(settings, inner.path);
        if (!own || !takesPart(inner, names)) return {};
        return {
          result(y) {
            const given = inner.result(y);
            const low = relu(linear(inner.at('adapter_down'), given, own.width));
            return add(given, linear(inner.at('adapter_up'), low, y.size(-1), { init: zeroed }));
          },
        };
      }),
  };
}
