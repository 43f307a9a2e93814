import {workerData} from 'node:worker_threads';
import {serveTasks} from '../../serve-tasks.ts';
import {BlobFiles} from '../content/blob-files.ts';
import type {Sha256Hex} from '../model/digest.ts';
import type {LocalImage} from '../read/image-source.ts';
import {checkBlobs} from './check-blobs.ts';

const blobs = new BlobFiles(workerData as LocalImage);
serveTasks((digests: readonly Sha256Hex[]) => checkBlobs(blobs, digests));
