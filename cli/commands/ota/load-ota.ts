/**
 * Loads the library of OTA images, which takes longer than everything that `--help` needs. In a file of its own, because
 * tsc 6 leaves the ending of a dynamic import as it is in functions that have an `await using`.
 */
export const loadOta = () => import('../../../api/ota/image/index.ts');
