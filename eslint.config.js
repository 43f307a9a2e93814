import tseslint from 'typescript-eslint';

/** Imports that would turn the house's one-way street around; see docs/design.md. */
const forbid = (files, patterns) => ({
  files,
  rules: {'no-restricted-imports': ['error', {patterns}]},
});

export default tseslint.config(
  {ignores: ['dist', '.launcher', 'out', 'node_modules', 'coverage', 'eslint.config.js']},
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', {considerDefaultExhaustiveForUnions: true}],
      '@typescript-eslint/no-confusing-void-expression': ['error', {ignoreArrowShorthand: true}],
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_'}],
      // dockerode types its streams by interface; they are what they are used as.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-console': 'error',
    },
  },
  forbid(
    ['api/**', 'configs/**', 'volumes/**'],
    [
      {group: ['**/cli/**'], message: 'Only cli/ knows how things are printed.'},
      {group: ['chalk', 'log-update', 'commander'], message: 'api/ emits events; cli/ draws them.'},
    ],
  ),
  forbid(
    ['configs/**', 'volumes/**'],
    [{group: ['**/api/**', '**/cli/**'], message: 'configs/ and volumes/ are below api/.'}],
  ),
  {
    files: ['api/**'],
    ignores: ['api/docker/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [{name: 'dockerode', message: 'api/docker/ is the only folder that speaks to dockerode.'}],
          patterns: [
            {group: ['**/cli/**'], message: 'Only cli/ knows how things are printed.'},
            {group: ['chalk', 'log-update', 'commander'], message: 'api/ emits events; cli/ draws them.'},
          ],
        },
      ],
    },
  },
  {
    files: ['api/cache/**', 'api/download/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {group: ['**/cli/**', 'chalk', 'log-update', 'commander'], message: 'Only cli/ prints.'},
            {
              group: ['**/engine/**', '**/docker/**', 'dockerode', '**/components/**', '**/volumes/**'],
              message: 'Downloads and their cache know no engine.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['api/updates/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {group: ['**/cli/**', 'chalk', 'log-update', 'commander'], message: 'Only cli/ prints.'},
            {
              group: ['**/engine/**', '**/docker/**', '**/pipeline/**', '**/volumes/**'],
              message: 'Updates are made of files on this machine.',
            },
          ],
        },
      ],
    },
  },
);
