/** What the package says of itself. */

import { readFileSync } from 'node:fs';

export interface Package {
  readonly version: string;
  readonly repository?: string | { readonly url: string };
}

/** The package's own file, which is two folders up in the sources and in what is built from them. */
export function ownPackage(): Package {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package;
}

/** `owner/name`, alone or in any of the forms in which npm takes a repository on GitHub. */
const onGitHub =
  /^(?:github:|(?:git\+)?(?:https?|ssh|git):\/\/(?:[^@/]+@)?github\.com\/|git@github\.com:)?([\w.-]+)\/([\w.-]+?)(?:\.git)?$/;

/** The address of the folder `models` in the version of the repository that this package is; undefined where it names none on GitHub. */
export function modelsAddress({ version, repository }: Package): string | undefined {
  const [, owner, name] = onGitHub.exec((typeof repository === 'string' ? repository : repository?.url) ?? '') ?? [];
  return owner === undefined ? undefined : `https://github.com/${owner}/${name}/raw/v${version}/models`;
}
