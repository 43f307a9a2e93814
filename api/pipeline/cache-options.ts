import {PipelineError} from '../errors.ts';
import type {CacheOptions} from '../options.ts';
import type {ImageReference} from '../registry/reference.ts';
import {parseRepository} from '../registry/repository-name.ts';

/** How much is sent to a registry: what was asked for, or what every step made. */
export type CacheMode = 'min' | 'max';

export interface CacheTarget {
  readonly reference: ImageReference;
  readonly mode: CacheMode;
}

/** Which registries a run shares artifacts with. */
export interface CacheChoice {
  readonly from: readonly ImageReference[];
  readonly to: readonly CacheTarget[];
  /** Registries that are spoken to without TLS. */
  readonly insecure: readonly string[];
  /** Files with public keys; without any, no signature is asked for. */
  readonly trust: readonly string[];
  /** File with the private key that signs what is sent. */
  readonly sign: string | undefined;
}

/**
 * Reads the options; what is not among them is taken from the environment (`HYPRIOTKIT_CACHE_FROM`, `…_TO`, `…_TRUST`,
 * `…_SIGN`), where a space separates several values.
 *
 * @throws PipelineError `USAGE` naming the value.
 */
export function parseCacheOptions(
  {cacheFrom, cacheTo, cacheTrust, cacheSign, insecureRegistries}: CacheOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): CacheChoice {
  const words = (name: string) => (env[name] ?? '').split(/\s+/).filter(Boolean);
  return {
    from: (cacheFrom ?? words('HYPRIOTKIT_CACHE_FROM')).map((text) => parseRepository(text, '--cache-from')),
    to: (cacheTo ?? words('HYPRIOTKIT_CACHE_TO')).map(parseTarget),
    insecure: insecureRegistries ?? [],
    trust: cacheTrust ?? words('HYPRIOTKIT_CACHE_TRUST'),
    sign: cacheSign ?? words('HYPRIOTKIT_CACHE_SIGN')[0],
  };
}

function parseTarget(text: string): CacheTarget {
  const [name = '', ...settings] = text.split(',');
  const [, mode = 'min'] = /^mode=(min|max)$/.exec(settings[0] ?? 'mode=min') ?? [undefined, undefined];
  if (settings.length > 1 || !/^(?:mode=(?:min|max))?$/.test(settings[0] ?? '')) {
    throw new PipelineError('USAGE', `--cache-to "${text}" is not understood`, {
      hint: 'Write REF, REF,mode=min or REF,mode=max.',
    });
  }
  return {reference: parseRepository(name, '--cache-to'), mode: mode as CacheMode};
}
