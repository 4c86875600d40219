/** How a prompt shows where a picture is: what a rendered chat has in its place, and what the backbone reads there. */

/** What of a processed picture a prompt depends on. */
export interface PromptPicture {
  /** Rows and columns of tiles, where the picture was split. */
  readonly grid?: readonly [rows: number, columns: number];
  /** Features a tile (or the picture). */
  readonly tokens: number;
  /** What stands for each of them. */
  readonly feature: string;
}

export interface ImagePrompt {
  /** What stands for a picture in a chat, and for a feature, unless the tokenizer spells the id of features otherwise. */
  readonly placeholder: string;
  expand(picture: PromptPicture): string;
  /** Whether pictures stand before all text, wherever the chat has them. */
  readonly first?: boolean;
  /** Text before chats, where `use_default_system_prompt` of the processor's configuration asks for it. */
  readonly preamble?: string;
}

/** A placeholder that is repeated for every feature. */
export function repeated(placeholder: string): ImagePrompt {
  return { placeholder, expand: ({ tokens, feature }) => feature.repeat(tokens) };
}

/** Idefics3's prompt: every tile behind its place in the grid, then the whole picture. */
export const tiled: ImagePrompt = {
  placeholder: '<image>',
  expand({ tokens, feature, grid }) {
    const around = '<fake_token_around_image>';
    const features = feature.repeat(tokens);
    const whole = `${around}<global-img>${features}${around}`;
    if (!grid) return whole;
    const [rows, columns] = grid;
    const row = (y: number): string =>
      Array.from({ length: columns }, (_, x) => `${around}<row_${y + 1}_col_${x + 1}>${features}`).join('');
    return `${Array.from({ length: rows }, (_, y) => `${row(y)}\n`).join('')}\n${whole}`;
  },
};

/** Janus's prompt: every feature between two marks. */
export const marked: ImagePrompt = {
  placeholder: '<image_placeholder>',
  expand: ({ tokens, feature }) => `<begin_of_image>${feature.repeat(tokens)}<end_of_image>`,
  preamble:
    'You are a helpful language and vision assistant. You are able to understand the visual content that the user ' +
    'provides, and assist the user with a variety of tasks using natural language.\n\n',
};
