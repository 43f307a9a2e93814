import type {SigningMaterial} from '../ota/image/write/signing-key.ts';
import type {Run} from './run.ts';

/** Nobody shall take an image without a signature for one that devices accept. */
export function announceUnsigned(
  {selection, emit}: Pick<Run, 'selection' | 'emit'>,
  signing: SigningMaterial | undefined,
): void {
  if (signing !== undefined || !selection.steps.some(({client}) => client?.kind === 'image')) return;
  emit({
    type: 'notice',
    level: 'warning',
    message: 'the OTA image will not be signed: ota-bundler.sign_key is not set',
    hint: 'Set sign_key and sign_cert in configs.json: devices refuse an image without a signature.',
  });
}
