/** What a study is, as far as it needs no files: settings, the results of its stages, and how its figures come about. */
export * from './drawing.ts';
export * from './image-selection.ts';
export * from './results.ts';
export * from './session.ts';
export { SETTINGS_NAMES, type SettingsName, type StudySettings, settingsNamed, withLimit } from './settings.ts';
export { parseSettings } from './settings-file.ts';
export { shellWord } from './shell-word.ts';
