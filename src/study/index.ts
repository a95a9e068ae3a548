/** What a study is, as far as it needs no files: profiles, the results of its stages, and how its figures come about. */
export * from './drawing.ts';
export * from './image-selection.ts';
export { PROFILE_NAMES, type Profile, type ProfileName, profileNamed } from './profiles.ts';
export * from './results.ts';
export * from './session.ts';
export { shellWord } from './shell-word.ts';
