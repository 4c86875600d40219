/**
 * Renders chat templates, which come with a model's files and are as trustworthy as those: an interpreter of our own, in which
 * a template sees only JSON values and every step, character and level is counted.
 */
import { QuintetError, recent } from '../../tensor/index.js';
import type { Message } from '../messages.js';
import type { Statement } from './ast.js';
import { type Budget, budgetOf, type TemplateLimits } from './budget.js';
import { contextOf } from './evaluate.js';
import { execute, newOutput } from './execute.js';
import { globalsOf } from './globals.js';
import { parseTemplate } from './parser.js';
import { fromJson, type Value } from './values.js';

/** A message of a chat, with whatever further fields its template reads, such as tool calls. */
export type ChatMessage = Message | Readonly<Record<string, unknown>>;

export interface RenderOptions {
  /** Ends with the beginning of an answer. Default false. */
  readonly addGenerationPrompt?: boolean;
  /** Function schemas, as JSON. */
  readonly tools?: readonly unknown[];
  /** Further names, such as bos_token and eos_token. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** What strftime_now reads; without it the template finds no such function. */
  readonly now?: Date;
  readonly limits?: TemplateLimits;
}

export interface RenderedChat {
  readonly text: string;
  /** What `{% generation %}` blocks wrote, as [start, end) in UTF-16 units: the assistant's words. */
  readonly generated: readonly (readonly [number, number])[];
}

/**
 * The prompt of a chat. Throws 'template' for a malformed template and with the message of raise_exception, 'limit' for one
 * that costs too much.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  options: RenderOptions = {},
): RenderedChat {
  const { addGenerationPrompt = false, tools, variables = {}, now, limits = {} } = options;
  const budget = budgetOf(limits);
  try {
    const program = recent(programs, template, { most: mostPrograms, make: () => parseTemplate(template) });
    const context = contextOf(budget);
    const values = globalsOf(context, now);
    const given = {
      tools: tools ?? null,
      documents: null,
      ...variables,
      messages,
      add_generation_prompt: addGenerationPrompt,
    };
    for (const [name, value] of entriesOf(given, budget)) values.set(name, value);
    const output = newOutput(false);
    execute(program, { values, parent: undefined }, output, context);
    return { text: output.parts.join(''), generated: output.generated };
  } catch (error) {
    // The limits of depth leave the stack room; should it end all the same, the template is to blame.
    if (error instanceof RangeError)
      throw new QuintetError('limit', 'the chat template nests too deep', { cause: error });
    throw error;
  }
}

/** Of the last templates: a model's own is rendered for every turn, and for every sample that it learns from. */
const programs = new Map<string, readonly Statement[]>();
const mostPrograms = 8;

function entriesOf(given: Readonly<Record<string, unknown>>, budget: Budget): readonly (readonly [string, Value])[] {
  return Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, fromJson(value, budget)] as const);
}
