import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {OtaError} from '../ota-error.ts';
import {Certificate} from './certificate.ts';

const pem = /-----BEGIN ([A-Z0-9 ]+)-----/g;

/**
 * The trusted certificates of a folder: each regular file in it is one PEM certificate; folders in it are left alone.
 * @throws {OtaError} CA_FOLDER_INVALID if it is none, is empty, or has anything else in it, such as a key
 */
export async function readCaFolder(folder: string): Promise<readonly Certificate[]> {
  const entries = await readdir(folder, {withFileTypes: true}).catch((error: unknown) => {
    throw new OtaError('CA_FOLDER_INVALID', `The CA folder ${folder} cannot be read`, {cause: error});
  });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({name}) => join(folder, name));
  if (files.length === 0)
    throw new OtaError('CA_FOLDER_INVALID', `The CA folder ${folder} has no certificate`);
  return Promise.all(files.sort().map(readCertificate));
}

async function readCertificate(file: string): Promise<Certificate> {
  const text = await readFile(file, 'latin1');
  const [first, second] = [...text.matchAll(pem)].map(([, label]) => label ?? '');
  if (first === undefined) throw new OtaError('CA_FOLDER_INVALID', `${file} is not a PEM certificate`);
  if (first !== 'CERTIFICATE') {
    throw new OtaError('CA_FOLDER_INVALID', `${file} is not a certificate but "${first}"`, {
      hint: first.includes('PRIVATE KEY')
        ? 'a private key does not belong here: keep it where nobody else reads it'
        : undefined,
    });
  }
  if (second !== undefined) throw new OtaError('CA_FOLDER_INVALID', `${file} has more than one certificate`);
  try {
    return new Certificate(text);
  } catch (error) {
    throw new OtaError('CA_FOLDER_INVALID', `${file} is not a PEM certificate`, {cause: error});
  }
}
