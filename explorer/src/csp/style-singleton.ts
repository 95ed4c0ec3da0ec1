// Stands in for the package `react-style-singleton`, which GraphiQL's dialogs and menus use to lock
// the page's scrolling. The package adds <style> elements; the Content-Security-Policy of the page
// has no 'unsafe-inline', so this version adopts constructed style sheets, which the policy allows.
import { useEffect } from 'react';

interface Sheet {
  add(css: string): void;
  remove(): void;
}

export function stylesheetSingleton(): Sheet {
  let users = 0;
  let sheet: CSSStyleSheet | null = null;
  return {
    add(css) {
      if (users === 0) {
        sheet = new CSSStyleSheet();
        sheet.replaceSync(css);
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
      }
      users += 1;
    },
    remove() {
      users -= 1;
      if (users === 0 && sheet !== null) {
        const gone = sheet;
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== gone);
        sheet = null;
      }
    },
  };
}

export function styleHookSingleton(): (styles: string, dynamic?: boolean) => void {
  const sheet = stylesheetSingleton();
  return function useSheet(styles, dynamic) {
    useEffect(() => {
      sheet.add(styles);
      return () => sheet.remove();
    }, [styles && dynamic]);
  };
}

export function styleSingleton(): (props: { styles: string; dynamic?: boolean }) => null {
  const useSheet = styleHookSingleton();
  return function SingletonSheet({ styles, dynamic }) {
    useSheet(styles, dynamic);
    return null;
  };
}
