import {PipelineError} from '../errors.ts';
import type {Credentials, IdentityToken} from './credentials.ts';
import type {RegistryRequest} from './registry-connection.ts';

/** How a registry wants to be asked, from its `WWW-Authenticate` header (RFC 9110, 11.6.1). */
export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  /** In lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** The first challenge that is understood. */
export function parseChallenge(header: string): Challenge | undefined {
  const [, scheme = '', rest = ''] = /(?:^|,\s*)(basic|bearer)\b\s*(.*)$/is.exec(header) ?? [];
  if (scheme === '') return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of rest.matchAll(
    /([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '');
  }
  return {scheme: scheme.toLowerCase() as Challenge['scheme'], parameters};
}

export function basicAuthorization({username, password}: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/**
 * The address of the token server that a bearer challenge names, for reading one repository.
 *
 * @throws PipelineError `REGISTRY_FAILED` when it is none, or would send a password in the clear.
 */
export function tokenUrl({parameters}: Challenge, repository: string, registry: URL): URL {
  const realm = parameters.get('realm') ?? '';
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new PipelineError('REGISTRY_FAILED', `the registry ${registry.host} names no token server`);
  }
  if (url.protocol === 'http:' && registry.protocol === 'https:') {
    throw new PipelineError(
      'REGISTRY_FAILED',
      `the registry ${registry.host} wants passwords sent to ${url.host} without encryption`,
    );
  }
  const service = parameters.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', parameters.get('scope') ?? `repository:${repository}:pull`);
  return url;
}

/** Asks a token server for a token in exchange for that of a login (Docker: "OAuth 2.0 token authentication"). */
export function refreshForm({searchParams}: URL, {identityToken}: IdentityToken): RegistryRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: identityToken,
    client_id: 'hypriotkit',
    service: searchParams.get('service') ?? '',
    scope: searchParams.get('scope') ?? '',
  });
  return {
    method: 'POST',
    path: '',
    headers: {'content-type': 'application/x-www-form-urlencoded'},
    body: Buffer.from(form.toString()),
  };
}
