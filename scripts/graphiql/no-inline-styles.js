// Stands in for react-style-singleton, which adds <style> elements that the page's content security policy forbids.
// They would only keep a long page from scrolling behind a dialog; this page is as high as the window.
export const styleSingleton = () => () => null;
export const styleHookSingleton = () => () => {};
