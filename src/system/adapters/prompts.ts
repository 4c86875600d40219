/**
 * Learnt prompts: virtual words before every text, as they are or by a small network while they learn, and virtual keys and
 * values before those of every layer.
 *
 * V virtual tokens, D width
 */
import { relu, type Tensor, tanh } from '../../graph/index.js';
import { linear, normal, type Params } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import { type System, surrounded } from '../system.js';
import type { VirtualTokens } from '../virtual-tokens.js';
import type { Adapter } from './adapter.js';

export interface PromptOptions {
  /** How many virtual tokens. */
  readonly count: number;
}

export interface EncodedPromptOptions extends PromptOptions {
  /** Width within the network that makes them. */
  readonly hidden: number;
}

/** The parameter that virtual tokens are, but for those that a network makes. */
export const promptName = 'prompt_embeddings';

/** What PyTorch's tables begin with. */
const table = normal(1);

/** Virtual words: Lester et al., "The Power of Scale for Parameter-Efficient Prompt Tuning", 2021, https://arxiv.org/abs/2104.08691 */
export function promptTuning({ count }: PromptOptions): Adapter {
  return virtual([promptName], { count, as: 'words', tensor: (p, width) => p.get(promptName, [count, width], table) });
}

/** Virtual words that a perceptron makes: Liu et al., "GPT Understands, Too", 2021, https://arxiv.org/abs/2103.10385 */
export function pTuning({ count, hidden }: EncodedPromptOptions): Adapter {
  const tensor = (root: Params, width: number): Tensor => {
    const p = root.at('prompt_encoder');
    const layers = p.at('mlp_head');
    const first = relu(linear(layers.at(0), p.at('embedding').get('weight', [count, width], table), hidden));
    return linear(layers.at(4), relu(linear(layers.at(2), first, hidden)), width);
  };
  return virtual(['prompt_encoder.**'], { count, as: 'words', tensor });
}

/**
 * Virtual keys and values, by a perceptron where `hidden` is given: Li and Liang, "Prefix-Tuning", 2021,
 * https://arxiv.org/abs/2101.00190
 */
export function prefixTuning({ count, hidden }: PromptOptions & Partial<EncodedPromptOptions>): Adapter {
  if (hidden === undefined) {
    const tensor = (p: Params, width: number): Tensor => p.get(promptName, [count, width], table);
    return virtual([promptName], { count, as: 'keys', tensor });
  }
  const around = (system: System): System => {
    const { depth } = system.backbone.part;
    const tensor = (root: Params, width: number): Tensor => {
      const p = root.at('prompt_encoder');
      const small = p.at('embedding').get('weight', [count, width / (2 * depth)], table);
      return linear(p.at('transform', 2), tanh(linear(p.at('transform', 0), small, hidden)), width);
    };
    return behindVirtual(system, { count, as: 'keys', tensor });
  };
  return { merges: false, parameters: ['prompt_encoder.**'], adapt: (p) => p, around };
}

function virtual(parameters: readonly string[], tokens: VirtualTokens): Adapter {
  return { merges: false, parameters, adapt: (p) => p, around: (system) => behindVirtual(system, tokens) };
}

/** The system behind virtual tokens, which take places of its context. */
function behindVirtual(system: System, tokens: VirtualTokens): System {
  const { backbone, name, outputs } = system;
  if (backbone.part.encoder || outputs.image) {
    throw new QuintetError('unsupported', 'virtual tokens stand before texts of decoders that only write text', {
      at: name,
    });
  }
  const context = backbone.part.context - tokens.count;
  if (context < 1) throw new QuintetError('limit', `${tokens.count} virtual tokens fill the context`, { at: name });
  return surrounded({ ...system, backbone: { ...backbone, part: { ...backbone.part, context } } }, { virtual: tokens });
}
