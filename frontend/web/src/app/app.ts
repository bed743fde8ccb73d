// Wires the parts of the page together once; components find them through Svelte's context.
import { getContext, setContext } from 'svelte';
import { Chat } from './chat.svelte.ts';
import { Finder } from './finder.svelte.ts';
import { Library } from './library.svelte.ts';
import { Link } from './link.svelte.ts';
import { Notices } from './notices.svelte.ts';
import { Reader } from './reader.svelte.ts';
import { Theme } from './theme.svelte.ts';
import { Uploads } from './uploads.svelte.ts';

export interface Application {
  link: Link;
  library: Library;
  uploads: Uploads;
  chat: Chat;
  finder: Finder;
  reader: Reader;
  notices: Notices;
  theme: Theme;
}

const kContext = 'answermill';

export function createApplication(): Application {
  const link = new Link();
  const notices = new Notices();
  const library = new Library(link, notices);
  const uploads = new Uploads(link, notices);
  const chat = new Chat(link, notices, (name) => library.choose(name));
  const application = { link, library, uploads, chat, finder: new Finder(link), reader: new Reader(), notices, theme: new Theme() };
  setContext(kContext, application);
  return application;
}

export function useApplication(): Application {
  return getContext<Application>(kContext);
}
