import {readdir, readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {rootCertificates} from 'node:tls';
import {PipelineError} from '../errors.ts';

/** What a registry with certificates of its own is spoken to with, in PEM. */
export interface RegistryCertificates {
  /** Authorities that its certificate may come from, besides those that everybody trusts. */
  readonly authorities: readonly string[];
  /** What we show it. */
  readonly client?: {readonly certificate: string; readonly key: string};
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The folders with a folder for each registry, as Docker, Docker without root, and podman have them; or the one of
 * `HYPRIOTKIT_CERTS_D`.
 */
function certificateFolders(env: Environment): readonly string[] {
  const own = env['HYPRIOTKIT_CERTS_D'];
  if (own !== undefined && own !== '') return [own];
  const home = env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return [
    '/etc/docker/certs.d',
    join(home, 'docker', 'certs.d'),
    '/etc/containers/certs.d',
    join(home, 'containers', 'certs.d'),
  ];
}

/**
 * Reads what Docker reads for a registry (Docker: "Verify repository client with certificates"): in the folder of its
 * name every `*.crt` is an authority, and `NAME.cert` with `NAME.key` is for us.
 *
 * @param registry `registry.example:5000`
 * @returns undefined for a registry that has no such folder
 * @throws PipelineError `REGISTRY_FAILED` for a folder that cannot be used.
 */
export async function findCertificates(
  registry: string,
  env: Environment = process.env,
): Promise<RegistryCertificates | undefined> {
  for (const parent of certificateFolders(env)) {
    const folder = join(parent, registry);
    const names = await readdir(folder).catch(() => undefined);
    if (names !== undefined) return readFolder(folder, names.sort());
  }
  return undefined;
}

async function readFolder(folder: string, names: readonly string[]): Promise<RegistryCertificates> {
  const ending = (end: string) => names.filter((name) => name.endsWith(end));
  const authorities = await Promise.all(ending('.crt').map((name) => readPem(join(folder, name))));
  const [certificate] = ending('.cert');
  if (certificate === undefined) return {authorities};
  const key = certificate.replace(/cert$/, 'key');
  if (!names.includes(key)) {
    throw new PipelineError('REGISTRY_FAILED', `${folder} has ${certificate} and no ${key}`, {
      hint: 'A certificate for us needs its private key; one of an authority ends with .crt.',
    });
  }
  const client = {
    certificate: await readPem(join(folder, certificate)),
    key: await readPem(join(folder, key)),
  };
  return {authorities, client};
}

async function readPem(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new PipelineError('REGISTRY_FAILED', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  });
  if (text.includes('-----BEGIN ')) return text;
  throw new PipelineError('REGISTRY_FAILED', `${path} is not in PEM`, {
    hint: 'openssl x509 -inform DER -in FILE -out NEW.crt writes a certificate in PEM.',
  });
}

/** The same as options of a TLS connection. Naming authorities leaves all others out, so they are named as well. */
export async function tlsOptions(
  {authorities, client}: RegistryCertificates,
  env: Environment = process.env,
): Promise<{readonly ca: string[]; readonly cert?: string; readonly key?: string}> {
  const extra = env['NODE_EXTRA_CA_CERTS'];
  const named = extra === undefined ? '' : await readFile(extra, 'utf8').catch(() => '');
  return {
    ca: [...rootCertificates, ...(named === '' ? [] : [named]), ...authorities],
    ...(client && {cert: client.certificate, key: client.key}),
  };
}

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * What a connection that TLS has refused means.
 *
 * @returns undefined for any other error.
 */
export function certificateFailure(registry: string, error: unknown): PipelineError | undefined {
  const {code = '', message} = error as Error & {code?: string};
  const failure = (what: string, hint: string) =>
    new PipelineError('REGISTRY_FAILED', `the registry ${registry} ${what}`, {hint});
  if (untrusted.has(code)) {
    return failure(
      `shows a certificate of an authority that is not trusted here (${code})`,
      `Put the authority's certificate where Docker looks for it: /etc/docker/certs.d/${registry}/ca.crt`,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return failure('shows a certificate for another name', message);
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return failure(
      `shows a certificate that is not valid now (${code})`,
      'Is the clock of this machine right?',
    );
  }
  if (code.startsWith('ERR_SSL_') && /wrong.version.number|packet length too long/i.test(message)) {
    return failure('does not speak TLS', `If that is meant so: --insecure ${registry}`);
  }
  return undefined;
}
