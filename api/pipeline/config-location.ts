/** Where `loadConfigs` should look. */
export function configLocation(options: {target?: string; config?: string}): {
  target?: string;
  file?: string;
} {
  return {
    ...(options.target !== undefined && {target: options.target}),
    ...(options.config !== undefined && {file: options.config}),
  };
}
