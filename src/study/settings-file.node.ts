/** Settings of a study by name, or from a file. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { UsageError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { SETTINGS_NAMES, type SettingsName, type StudySettings, settingsNamed } from './settings.ts';
import { parseSettings } from './settings-file.ts';

/**
 * The settings that a command names.
 * @param nameOrFile smoke, quick, full, or a JSON file (see `parseSettings`)
 * @throws UsageError in one sentence for a file that is not there, and for what it says wrongly
 */
export async function readSettings(nameOrFile: string): Promise<StudySettings> {
  if (SETTINGS_NAMES.includes(nameOrFile as SettingsName)) return settingsNamed(nameOrFile as SettingsName);
  const text = await readFile(nameOrFile, 'utf8').catch(error => {
    const choices = SETTINGS_NAMES.join(', ');
    if (error.code !== 'ENOENT') throw new UsageError(`${plainText(nameOrFile)} cannot be read (${error.code}).`);
    throw new UsageError(
      `There are no settings and no file "${plainText(nameOrFile)}"; choose ${choices}, or name a JSON file.`,
    );
  });
  return parseSettings(text, nameOrFile, basename(nameOrFile).replace(/\.json$/i, ''));
}
