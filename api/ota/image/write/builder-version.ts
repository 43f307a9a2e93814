import {packageVersion} from '../../../version.ts';

/** What made an image, as its index tells. */
export const builderVersion = `hypriotkit ${packageVersion()}`;
