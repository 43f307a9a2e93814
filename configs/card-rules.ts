import type {BrokenRule, FieldPath} from './rules.ts';
import type {Configs} from './schema.ts';

/** The rules between the fields of rpi_sd_image. */
export function* findBrokenCardRules({rpi_sd_image: card, root_fs: root}: Configs): Iterable<BrokenRule> {
  const repo: FieldPath = ['rpi_sd_image', 'docker_repo'];
  const {url, key} = card.docker_repo;
  if (url !== '' && key === '') {
    yield {
      field: repo,
      others: [],
      message: 'must have a key: the file with the public key that signs the archive',
    };
  }
  if (url !== '' && root.apt_sources.some(({name}) => name === 'docker')) {
    const message = 'must not name a source "docker": docker_repo uses that name';
    yield {field: ['root_fs', 'apt_sources'], others: [repo], message};
  }
  for (const name of ['docker_engine_version', 'docker_compose_version'] as const) {
    if (card[name] !== 'latest' || url !== '') continue;
    const message = 'must not be "latest" without docker_repo: Debian has one version, "debian"';
    yield {field: ['rpi_sd_image', name], others: [repo], message};
  }
  if (card.docker_machine_version !== 'none') {
    const missing = (['docker_machine_url', 'docker_machine_sha256'] as const).filter(
      (name) => card[name] === '',
    );
    if (missing.length > 0) {
      const message = `must be "none", or come with ${missing.join(' and ')}: Docker Machine has been end-of-life since 2021`;
      yield {
        field: ['rpi_sd_image', 'docker_machine_version'],
        others: missing.map((name) => ['rpi_sd_image', name]),
        message,
      };
    }
  }
  if (card.compose !== '' && card.docker_compose_version === 'none') {
    const message = 'must not be "none" when compose names a file to start';
    const field: FieldPath = ['rpi_sd_image', 'docker_compose_version'];
    yield {field, others: [['rpi_sd_image', 'compose']], message};
  }
}
