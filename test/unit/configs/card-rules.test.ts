import {expect, it} from 'vitest';
import {linesOfValue} from './check.ts';

const repo = {url: 'http://deb.test/docker', key: 'docker.asc'};

it.each([
  [{docker_engine_version: 'latest'}, 'docker_engine_version must not be "latest" without docker_repo'],
  [{docker_compose_version: 'latest'}, 'docker_compose_version must not be "latest" without docker_repo'],
  [{docker_repo: {url: repo.url}}, 'docker_repo must have a key'],
  [{docker_machine_version: '0.16.2'}, 'or come with docker_machine_url and docker_machine_sha256'],
  [
    {docker_machine_version: '0.16.2', docker_machine_url: 'https://a.test/{version}'},
    'or come with docker_machine_sha256',
  ],
  [
    {compose: 'compose.yaml', docker_compose_version: 'none'},
    'docker_compose_version must not be "none" when compose',
  ],
])('%j is refused', (card, message) => {
  const lines = linesOfValue({rpi_sd_image: card});
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(message);
});

it('an archive named docker and docker_repo do not go together', () => {
  const source = {name: 'docker', url: 'http://deb.test/x', suite: 'x', components: ['main'], key: 'k.asc'};
  expect(linesOfValue({root_fs: {apt_sources: [source]}, rpi_sd_image: {docker_repo: repo}})[0]).toContain(
    'must not name a source "docker"',
  );
});

it.each([
  {docker_repo: repo, docker_engine_version: 'latest', docker_compose_version: '2.40.0'},
  {
    docker_machine_version: '0.16.2',
    docker_machine_url: 'https://a.test',
    docker_machine_sha256: 'a'.repeat(64),
  },
  {compose: 'compose.yaml'},
])('%j is right', (card) => {
  expect(linesOfValue({rpi_sd_image: card})).toEqual([]);
});
