import type {BrokenRule, FieldPath} from './rules.ts';
import type {ComponentName, Configs} from './schema.ts';

const component = 'ota-bundler';
const field = (name: string): FieldPath => [component, name];

/** The rules between the fields of ota-bundler, and with the image that it makes updates of. */
export function* findBrokenUpdateRules(
  {[component]: update, rpi_sd_image: card}: Configs,
  requested: readonly ComponentName[],
): Iterable<BrokenRule> {
  const {sign_key: key, sign_cert: certificate, outputs, update_agent_bundle: bundle} = update;
  if (key !== '' && certificate === '') {
    const message = 'must be set when sign_key is: devices check the signature with the certificate';
    yield {field: field('sign_cert'), others: [field('sign_key')], message};
  }
  if (key === '' && certificate !== '') {
    const message = 'must be set when sign_cert is: leave out both for an image without a signature';
    yield {field: field('sign_key'), others: [field('sign_cert')], message};
  }
  for (const name of ['legacy', 'update_agent_bundle'] as const) {
    if (!outputs.includes(name) || key !== '') continue;
    const message = `must not name "${name}" without sign_key: that format has no unsigned form`;
    yield {field: field('outputs'), others: [field('sign_key')], message};
  }
  if (outputs.includes('update_agent_bundle') && bundle.description === '') {
    const message = 'must have a description when outputs names "update_agent_bundle"';
    yield {field: field('update_agent_bundle'), others: [field('outputs')], message};
  }
  if ((bundle.images === 'layout') !== (bundle.layout !== '')) {
    const message = 'must name a layout exactly where images is "layout"';
    yield {field: field('update_agent_bundle'), others: [], message};
  }
  if (requested.includes(component) && card.compression.every((form) => form === 'xz')) {
    const message = 'must have "none", "zip" or "zst" when ota-bundler is built: it reads the image';
    yield {field: ['rpi_sd_image', 'compression'], others: [], message};
  }
}
