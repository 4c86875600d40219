/** The commands and their options. What a command does is in a file of its own, loaded when it is called. */

import { Argument, Command, Option } from 'commander';
import { formatNames } from '../data/formats/names.js';
import { cacheForms, weightsOptions } from '../model/forms.js';
import { mostThreads } from '../runtime/engine.js';
import { between, biases, names, repeatedly, whole } from './arguments.js';
import type { CacheOptions } from './cache.js';
import type { ChatOptions } from './chat.js';
import type { DataCommandOptions } from './data.js';
import type { DrawCommandOptions } from './draw.js';
import type { InfoOptions } from './info.js';
import { invocation } from './invocation.js';
import type { MergeOptions } from './merge.js';
import { ownPackage } from './package.js';
import type { PullCommandOptions } from './pull.js';
import type { ReportOptions } from './report.js';
import type { GlobalOptions } from './settings.js';
import type { TraceCommandOptions } from './trace.js';
import type { TrainCommandOptions } from './train.js';

const threadsText = `threads inside one operator, at most ${mostThreads}; default one a core`;
const cacheActions = ['list', 'size', 'check', 'clean'] as const;

/** A program that reports mistakes in a call by throwing. */
export function createProgram(): Command {
  const program = new Command('quintet')
    .description('Builds, trains and runs multimodal language models.')
    .version(ownPackage().version, '-v, --version', 'print the version')
    .addOption(
      new Option('--engine <name>', 'ONNX Runtime itself, or its WebAssembly build').choices(['native', 'web']),
    )
    .addOption(
      orVariable(
        'QUINTET_ORT_LIBRARY',
        new Option('--library <path>', "another build of ONNX Runtime's shared library"),
      ),
    )
    .addOption(orVariable('QUINTET_THREADS', new Option('--threads <n>', threadsText).argParser(whole(1, mostThreads))))
    .addOption(
      new Option('--weights <form>', "how a language model's weights are held; auto keeps what the file has").choices(
        weightsOptions,
      ),
    )
    .addOption(new Option('--kv-cache <form>', 'how keys and values of a conversation are held').choices(cacheForms))
    .option('--profile <file>', "write each operator's time, as Chrome's trace viewer reads it")
    .option('--offline', 'download nothing')
    .option('--debug', 'show stacks of errors')
    .helpOption('-h, --help', 'print this text')
    .helpCommand('help [command]', 'print what a command takes')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeErr: (text) => process.stderr.write(text),
      outputError: (text, write) => write(mistake(text)),
    })
    .addHelpText('after', examples('quintet chat nano photo.jpg "What is this?"', 'quintet info llava-1.5:7b'))
    .exitOverride();
  for (const add of [
    addChat,
    addDraw,
    addTrain,
    addData,
    addReport,
    addInfo,
    addRecipes,
    addTrace,
    addMerge,
    addPull,
    addCache,
    addDemo,
  ])
    add(program);
  return program;
}

/** An option that a variable of the environment may give; an empty one gives nothing, as with other programs. */
function orVariable(name: string, option: Option): Option {
  return process.env[name] === '' ? option : option.env(name);
}

/** What commander says of a mistake, on one line, with what to do. */
function mistake(text: string): string {
  const [, message, guess] = /^(.*?)(?:\n\(Did you mean (.*)\?\))?\n$/s.exec(text) ?? [];
  if (message === undefined) return text;
  if (guess !== undefined) return `${message}; did you mean ${guess}?\n`;
  return /unknown command/.test(message) ? `${message}; ${invocation()} help lists them\n` : `${message}\n`;
}

/** Calls that may be typed as they stand here, however the program was called. */
function examples(...lines: readonly string[]): string {
  const typed = lines.map((line) => `  ${line.replaceAll(/\bquintet (?=[a-z])/g, `${invocation()} `)}`);
  return `\nExamples:\n${typed.join('\n')}`;
}

const modelText = 'a folder, a .gguf file, a name on the Hugging Face hub, or smol or nano, which ship with Quintet';

/** How tokens are chosen. */
function withSampling(command: Command): Command {
  // Otherwise commander reads what begins with --no- as a switch.
  const noRepeat = Object.assign(new Option('--no-repeat-ngram <n>', 'write no run of so many tokens twice'), {
    negate: false,
  });
  return command
    .option('--temperature <t>', '0 takes the likeliest token each time', between(0))
    .option('--top-k <k>', 'draw among this many tokens', whole(1))
    .option('--top-p <p>', 'draw among the likeliest tokens that have this probability together', between(0, 1))
    .option('--min-p <p>', 'leave out tokens less likely than this part of the likeliest', between(0, 1))
    .option('--repetition-penalty <f>', 'make tokens worse that were there before', between(0.01))
    .option('--presence-penalty <p>', 'take this from the scores of tokens that the answer has', between(-2, 2))
    .option('--frequency-penalty <p>', 'the same for each time that it has them', between(-2, 2))
    .addOption(noRepeat.argParser(whole(0)))
    .option('--logit-bias <id=bias,...>', 'add to the scores of tokens, from -100 to 100', biases)
    .option('--seed <n>', 'of the draws', whole(0));
}

function addChat(program: Command): void {
  withSampling(program.command('chat'))
    .description('Answers about pictures, or holds a conversation where no prompt is given.')
    .argument('<model>', modelText)
    .argument(
      '[picture|prompt...]',
      'picture files, then what to say; the standard input may hold the turns, one a line',
    )
    .option('--system <text>', 'what the model is told before the conversation')
    .option('--max-tokens <n>', 'most tokens of an answer', whole(1))
    .option('--stop <text>', 'end the answer before this text; may be given several times', repeatedly)
    .option('--json-schema <file|json>', 'answer in JSON of this schema')
    .option('--regex <pattern>', 'answer in a text that this regular expression matches from end to end')
    .option('--choices <list>', 'answer with one of these texts, with commas between them', names)
    .option('--adapter <folder>', "an adapter in PEFT's format")
    .addOption(
      new Option(
        '--lookup',
        'guess what comes from what stood there before: the same answer, sooner where it repeats',
      ).conflicts('draft'),
    )
    .option('--draft <model>', 'let a smaller model with the same tokenizer guess: the same answer, sooner')
    .option('--json', 'print one JSON object: text, tokens, end, timing')
    .option('--stats', 'print times and speed to the standard error')
    .addHelpText(
      'after',
      examples(
        'quintet chat nano photo.jpg "What is this?"',
        'quintet chat HuggingFaceTB/SmolVLM-256M-Instruct a.png b.png "What differs?" --max-tokens 80',
        'printf "Name a river.\\nIs it long?\\n" | quintet chat model.gguf --temperature 0.7 --seed 1',
        'quintet chat nano photo.jpg "Is there a dog?" --choices yes,no',
      ),
    )
    .action(async (model: string, given: readonly string[], _: unknown, command: Command) => {
      const { chat } = await import('./chat.js');
      process.exitCode = await chat(model, given, command.optsWithGlobals<ChatOptions>());
    });
}

function addDraw(program: Command): void {
  program
    .command('draw')
    .description('Draws a picture of what a text says.')
    .argument('<model>', modelText)
    .argument('<prompt>', 'what to draw')
    .requiredOption('-o, --output <file>', 'the file to write: .png, .webp or .jpg')
    .option('--guidance <g>', 'how far to follow the prompt; 1 for not at all more than the model does', between(0))
    .option('--seed <n>', 'of the draws', whole(0))
    .option('--temperature <t>', 'of a model that draws code by code', between(0))
    .option('--steps <n>', 'of a diffusion model', whole(1))
    .option('--scheduler <name>', "of a diffusion model, by diffusers' name")
    .option('--against <text>', 'what a diffusion model keeps away from')
    .option('--width <n>', 'in pixels, of a diffusion model; default what it was trained on', whole(1))
    .option('--height <n>', 'in pixels; of the two, one alone gives a square', whole(1))
    .addHelpText('after', examples('quintet draw deepseek-community/Janus-Pro-1B "a red boat" -o boat.png --seed 1'))
    .action(async (model: string, prompt: string, _: unknown, command: Command) => {
      const { draw } = await import('./draw.js');
      await draw(model, prompt, command.optsWithGlobals<DrawCommandOptions>());
    });
}

function addTrain(program: Command): void {
  program
    .command('train')
    .description('Trains a model as a run file says; a run that was stopped goes on where it was.')
    .argument('<run.yaml>', 'the run file: model, data and stages')
    .option('--output <folder>', "in place of the run file's")
    .option('--steps <n>', "steps of every stage, in place of the run file's", whole(1))
    .option('--json', 'print one JSON object a line for each step, evaluation, estimate and notice')
    .option(
      '--patience <s>',
      'under mpirun: seconds that processes wait for one that is silent; default 1800',
      whole(1),
    )
    .addHelpText(
      'after',
      `
Ctrl-C ends after the step that is running, with a checkpoint; the same command goes on from there.
What a stage is expected to take is said before its first step: memory, then time. "memory: 4GiB" in a stage holds it to so much.
${examples(
  'quintet train run.yaml',
  'quintet train run.yaml --steps 10 --output runs/trial',
  'mpirun -np 2 --bind-to none quintet train run.yaml',
)}`,
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const { train } = await import('./train.js');
      process.exitCode = await train(file, command.optsWithGlobals<TrainCommandOptions>());
    });
}

function addData(program: Command): void {
  const data = program.command('data').description('Looks at files of samples before a run learns from them.');
  const options = (command: Command): Command =>
    command
      .option('--model <model>', 'render and count as this model is trained')
      .option('--pictures <folder>', "the folder that pictures are relative to; default the file's own")
      .addOption(new Option('--format <name>', 'default: what the file looks like').choices(formatNames))
      .option('--objective <name>', 'what is to be learnt of them, as a run file names it: dpo wants pairs of answers')
      .addOption(new Option('--learn <what>', 'what of conversations is learnt').choices(['answers', 'all']))
      .option('--longest <n>', "tokens that samples are cut to; default the model's context", whole(1))
      .option('--json', 'print JSON');
  options(
    data
      .command('check')
      .description('Reads every sample as training would, and says which cannot be used and why.')
      .argument('<file...>', 'JSONL, JSON, CSV, WebDataset archives, Parquet, or a folder with metadata.jsonl'),
  )
    .addHelpText(
      'after',
      examples(
        'quintet data check chats.jsonl',
        "quintet data check 'train-*.parquet' --model nano",
        'quintet data check pairs.jsonl --objective dpo',
      ),
    )
    .action(async (files: readonly string[], _: unknown, command: Command) => {
      const { checkData } = await import('./data.js');
      process.exitCode = await checkData(files, command.optsWithGlobals<DataCommandOptions>());
    });
  options(
    data
      .command('show')
      .description('Prints one sample; with a model as it is trained on, what is learnt between marks.')
      .argument('<file>', 'as above')
      .argument('<index>', 'counted from 0', whole(0)),
  )
    .addHelpText(
      'after',
      examples(
        'quintet data show chats.jsonl 0 --model nano',
        'quintet data show book.txt 0 --model nano --objective next-token --learn all',
      ),
    )
    .action(async (file: string, index: number, _: unknown, command: Command) => {
      const { showData } = await import('./data.js');
      await showData(file, index, command.optsWithGlobals<DataCommandOptions>());
    });
}

function addReport(program: Command): void {
  program
    .command('report')
    .description('Makes one HTML page of a run, or of several side by side: curves, sample answers, settings.')
    .argument('<run...>', "a run's folder, or its run file; the run may be at work or over")
    .option('-o, --output <file>', "the HTML file to write; default report.html in the run's folder")
    .addHelpText('after', examples('quintet report runs/my-llava', 'quintet report runs/a runs/b -o a-and-b.html'))
    .action(async (runs: readonly string[], _: unknown, command: Command) => {
      const { report } = await import('./report.js');
      await report(runs, command.optsWithGlobals<ReportOptions>());
    });
}

function addMerge(program: Command): void {
  program
    .command('merge')
    .description(
      'Writes a model with an adapter in its weights, as a folder that needs the adapter no more; of a model such as smol, with it in the place of its own.',
    )
    .argument('<model>', 'a folder, a .gguf file or a hub name')
    .requiredOption('--adapter <folder>', "an adapter in PEFT's format")
    .requiredOption('-o, --output <folder>', 'where the model is written')
    .addOption(new Option('--dtype <type>', 'the type of its numbers').choices(['f32', 'f16', 'bf16']).default('f32'))
    .addHelpText('after', examples('quintet merge ./model --adapter runs/my-llava/adapter -o merged'))
    .action(async (model: string, _: unknown, command: Command) => {
      const { merge } = await import('./merge.js');
      await merge(model, command.optsWithGlobals<MergeOptions>());
    });
}

function addPull(program: Command): void {
  program
    .command('pull')
    .description(
      "Downloads a model of the hub into Hugging Face's cache, or one that ships with Quintet, and prints its folder.",
    )
    .argument('<name>', 'as in org/name, or org/name/file.gguf; or smol')
    .option('--revision <name>', 'of a model of the hub: a branch, tag or commit')
    .option(
      '--from <place>',
      "of smol: the address of a folder, or a clone's models (or the variable QUINTET_MODELS); default: the repository's",
    )
    .addHelpText('after', examples('quintet pull HuggingFaceTB/SmolVLM-256M-Instruct', 'quintet pull smol'))
    .action(async (name: string, _: unknown, command: Command) => {
      const { pull } = await import('./pull.js');
      await pull(name, command.optsWithGlobals<PullCommandOptions>());
    });
}

function addCache(program: Command): void {
  program
    .command('cache')
    .description(
      'Lists the weights that were packed into integers, compares them with what was written, or removes them; they are made again when needed.',
    )
    .addArgument(new Argument('[action]', 'what to do').choices(cacheActions).default('list'))
    .option('--older-than <days>', 'clean: only what was not used for so many days', between(0))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('quintet cache', 'quintet cache check', 'quintet cache clean --older-than 30'))
    .action(async (action: (typeof cacheActions)[number], options: CacheOptions) => {
      const { cache, checkCache } = await import('./cache.js');
      if (action === 'check') process.exitCode = await checkCache(options);
      else await cache(action, options);
    });
}

function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Shows what the embedded model says about a sample picture, or about yours.')
    .argument('[picture|prompt...]', 'picture files, then a question')
    .action(async (given: readonly string[], _: unknown, command: Command) => {
      const { demo } = await import('./demo.js');
      await demo(given, command.optsWithGlobals<GlobalOptions>());
    });
}

function addInfo(program: Command): void {
  program
    .command('info')
    .description('Says what a model is made of; of a recipe without any weights.')
    .argument('<model>', `${modelText}; or a recipe, as in llava-1.5 or llava-1.5:7b`)
    .option('--size <name>', 'the size of a recipe')
    .option('--parameters', 'list every parameter with its shape')
    .addOption(new Option('--graph', 'print the graph of a forward pass as text').conflicts(['json', 'parameters']))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('quintet info llava-1.5:7b', 'quintet info ./my-model --parameters'))
    .action(async (model: string, _: unknown, command: Command) => {
      const { info } = await import('./info.js');
      await info(model, command.optsWithGlobals<InfoOptions>());
    });
}

function addRecipes(program: Command): void {
  program
    .command('recipes')
    .description('Lists the systems of the literature that can be built, with their sizes and papers.')
    .option('--json', 'print a JSON list')
    .action(async (options: { readonly json?: boolean }) => {
      const { recipes } = await import('./recipes.js');
      recipes(options);
    });
}

function addTrace(program: Command): void {
  program
    .command('trace')
    .description('Runs one forward pass on exactly the given tensors or messages and writes named tensors.')
    .argument('<model>', modelText)
    .option(
      '--inputs <file>',
      "a safetensors file of inputs under Hugging Face's argument names, or what --messages wrote",
    )
    .option('--messages <file>', 'a JSON file: the messages of a chat, or a list of chats')
    .requiredOption('--outputs <file>', 'the safetensors file to write')
    .option('--want <names>', 'only these outputs, with commas between them; default all', names)
    .option('--generate <n>', 'also continue greedily by this many tokens: sequences', whole(1))
    .option('--gradients <patterns>', 'also gradients of the loss by these parameters: grad/<name>', names)
    .option(
      '--steps <n>',
      'of a diffusion model, or of a scheduler_config.json: also the latents after each call',
      whole(1),
    )
    .option('--scheduler <name>', "with --steps: another one, by diffusers' name or as a file of its settings")
    .option('--guidance <g>', 'with --steps: how far to follow the prompt beyond the negative one', between(0))
    .option('--eta <e>', "with --steps: the part of DDPM's noise that DDIM adds", between(0, 1))
    .option('--adapter <folder>', "an adapter in PEFT's format")
    .addHelpText(
      'after',
      `
The loss is the model's own where there are labels; otherwise the outputs, weighed by tensors among the inputs
that are called upstream_<output>, are summed up. With --steps the inputs are noise, noises, prompt_ids or
prompt_embeds, and negative_prompt_ids or negative_prompt_embeds.${examples(
        'quintet trace ./model --inputs in.safetensors --outputs out.safetensors --generate 16',
        'quintet trace ./model --messages chat.json --outputs out.safetensors --want logits,image_features',
        "quintet trace ./model --inputs in.safetensors --outputs out.safetensors --gradients 'multi_modal_projector.**'",
      )}`,
    )
    .action(async (model: string, _: unknown, command: Command) => {
      const { trace } = await import('./trace.js');
      await trace(model, command.optsWithGlobals<TraceCommandOptions>());
    });
}
