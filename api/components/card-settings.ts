import {localTree, type LocalFiles} from '../../configs/local-files.ts';
import type {Configs} from '../../configs/schema.ts';
import {wholeName, type ImagePins} from './pins.ts';
import {archiveFiles, aptSourceSettings} from './root-fs-settings.ts';
import {optional, type Setting, type StepFile} from './step.ts';

/** The name of docker_repo among the archives of a card. */
const dockerSource = 'docker';

/** What decides which packages a card has, beside those of root_fs: versions, and archives to take them from. */
export function dockerSettings(configs: Configs, local: LocalFiles): Setting[] {
  const {docker_repo: repo, ...card} = configs.rpi_sd_image;
  const [sources] = aptSourceSettings(configs, local);
  const line = [
    dockerSource,
    repo.url,
    repo.suite || configs.root_fs.suite,
    repo.component,
    repo.url && localTree(local, repo.key).digest,
  ].join('\t');
  const lines = [...(sources === undefined ? [] : [sources.value]), ...(repo.url === '' ? [] : [line])];
  const field = repo.url === '' ? 'root_fs.apt_sources' : 'rpi_sd_image.docker_repo';
  return [
    ...optional(field, 'APT_SOURCES', lines.join('\n')),
    ...optional('rpi_sd_image.docker_repo', 'DOCKER_REPO', repo.url),
    {
      field: 'rpi_sd_image.docker_engine_version',
      variable: 'DOCKER_ENGINE_VERSION',
      value: card.docker_engine_version,
    },
    {
      field: 'rpi_sd_image.docker_compose_version',
      variable: 'DOCKER_COMPOSE_VERSION',
      value: card.docker_compose_version,
    },
  ];
}

/** The keys of the archives of a card. */
export function dockerFiles(configs: Configs, local: LocalFiles): StepFile[] {
  const {url, key} = configs.rpi_sd_image.docker_repo;
  return [
    ...archiveFiles(configs, local),
    ...(url === ''
      ? []
      : [{path: `keys/${dockerSource}`, field: 'rpi_sd_image.docker_repo', tree: localTree(local, key)}]),
  ];
}

/** What a card has beside its packages: cheap to put in. */
export function cardSettings({rpi_sd_image: card}: Configs, local: LocalFiles, pins: ImagePins): Setting[] {
  const images = card.preload.map((item) =>
    typeof item === 'string' ? (pins.get(wholeName(item)) ?? '') : localTree(local, item.archive).digest,
  );
  const forms = card.compression.join(' ');
  return [
    ...optional('rpi_sd_image.preload', 'PRELOAD', images.join('\n')),
    ...optional(
      'rpi_sd_image.compose',
      'COMPOSE_FILE_DIGEST',
      card.compose && localTree(local, card.compose).digest,
    ),
    ...optional('rpi_sd_image.cmdline', 'EXTRA_CMDLINE', card.cmdline),
    ...optional('rpi_sd_image.config_txt', 'EXTRA_CONFIG_TXT', card.config_txt.join('\n')),
    ...optional('rpi_sd_image.compression', 'COMPRESSION', forms === 'none zip zst' ? '' : forms),
    ...optional(
      'rpi_sd_image.docker_machine_version',
      'DOCKER_MACHINE_VERSION',
      card.docker_machine_version === 'none' ? '' : card.docker_machine_version,
    ),
  ];
}

/** The files of {@link cardSettings}. */
export function cardFiles({rpi_sd_image: card}: Configs, local: LocalFiles): StepFile[] {
  return [
    ...card.preload.flatMap((item, index) =>
      typeof item === 'string'
        ? []
        : [
            {
              path: `preload/${index}`,
              field: 'rpi_sd_image.preload',
              tree: localTree(local, item.archive),
            },
          ],
    ),
    ...(card.compose === ''
      ? []
      : [{path: 'compose.yaml', field: 'rpi_sd_image.compose', tree: localTree(local, card.compose)}]),
  ];
}
