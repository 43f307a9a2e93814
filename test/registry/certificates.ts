import {execFile} from 'node:child_process';
import {copyFile, mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';

const run = promisify(execFile);

/** The files of a certificate. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that nobody trusts who was not told to, made for one test. */
export class TestAuthority {
  readonly files: CertificateFiles;
  readonly #folder: string;

  private constructor(folder: string, files: CertificateFiles) {
    this.#folder = folder;
    this.files = files;
  }

  static async create(folder: string, name: string): Promise<TestAuthority> {
    await mkdir(folder, {recursive: true});
    return new TestAuthority(folder, await makeCertificate(folder, name, []));
  }

  /** @param alternatives `IP:127.0.0.1`, `DNS:localhost`: who it is for. */
  issue(name: string, alternatives?: string): Promise<CertificateFiles> {
    const {certificate, key} = this.files;
    return makeCertificate(this.#folder, name, [
      ...['-CA', certificate, '-CAkey', key, '-addext', 'basicConstraints=CA:FALSE'],
      ...(alternatives === undefined ? [] : ['-addext', `subjectAltName=${alternatives}`]),
    ]);
  }

  /** Makes it known for a registry, in a folder as Docker's `certs.d`. */
  async trustIn(folder: string, registry: string): Promise<string> {
    await mkdir(join(folder, registry), {recursive: true});
    await copyFile(this.files.certificate, join(folder, registry, 'ca.crt'));
    return join(folder, registry);
  }
}

async function makeCertificate(
  folder: string,
  name: string,
  more: readonly string[],
): Promise<CertificateFiles> {
  const files = {certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`)};
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', files.key, '-out', files.certificate, '-subj', `/CN=${name}`, ...more],
  ]);
  return files;
}
