/** What the page and its worker say to each other. */

import type { DownloadProgress } from '../../src/browser.js';

export type Request =
  | { readonly kind: 'open'; readonly model: string; readonly threads: number }
  /** A picture begins a new conversation; without one the last conversation goes on. */
  | { readonly kind: 'ask'; readonly question: string; readonly picture: Blob | undefined; readonly maxTokens: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'forget' };

export type Reply =
  | ({ readonly kind: 'progress' } & DownloadProgress)
  | { readonly kind: 'ready'; readonly model: string; readonly engine: string; readonly seesPictures: boolean }
  | { readonly kind: 'piece'; readonly text: string }
  | { readonly kind: 'answered'; readonly tokens: number; readonly milliseconds: number; readonly stopped: boolean }
  | { readonly kind: 'failed'; readonly message: string };
