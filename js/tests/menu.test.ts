import { afterEach, beforeEach, expect, test } from 'vitest';
import { Menu } from '../src/menu';

let menu: Menu;
let chosen: string[];

beforeEach(() => {
  chosen = [];
  menu = new Menu('Download', ['PNG', 'SVG', 'CSV'], (text) => chosen.push(text));
  document.body.append(menu.node);
});

afterEach(() => {
  menu.remove();
  menu.node.remove();
});

const list = () => menu.node.querySelector('[role=menu]') as HTMLElement;
const focused = () => document.activeElement?.textContent;

function press(key: string) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
  document.activeElement?.dispatchEvent(event);
  return event;
}

test('the button says that it has a menu, whose it is, and whether it is open', () => {
  expect(menu.button.getAttribute('aria-haspopup')).toBe('menu');
  expect(menu.button.getAttribute('aria-expanded')).toBe('false');
  expect(list().hidden).toBe(true);
  menu.button.click();
  expect(menu.button.getAttribute('aria-expanded')).toBe('true');
  expect(list().hidden).toBe(false);
  expect(list().getAttribute('aria-labelledby')).toBe(menu.button.id);
  expect(list().querySelectorAll('[role=menuitem]')).toHaveLength(3);
  menu.button.click();
  expect(list().hidden).toBe(true);
});

test('arrows, Home, End and letters go through the items, and round', () => {
  menu.button.focus();
  press('ArrowDown');
  const way = ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Home', 'End', 's'];
  const seen = way.map((key) => {
    press(key);
    return focused();
  });
  expect(seen).toEqual(['SVG', 'CSV', 'PNG', 'CSV', 'PNG', 'CSV', 'SVG']);
});

test('ArrowUp on the button opens the menu at its end', () => {
  menu.button.focus();
  press('ArrowUp');
  expect(focused()).toBe('CSV');
});

test('Enter and space are left to the browser, which clicks the item', () => {
  menu.button.click();
  expect(press('Enter').defaultPrevented).toBe(false);
  expect(press(' ').defaultPrevented).toBe(false);
});

test('a choice is told, closes the menu and gives the focus back', () => {
  menu.button.click();
  press('ArrowDown');
  (document.activeElement as HTMLElement).click();
  expect(chosen).toEqual(['SVG']);
  expect(menu.open).toBe(false);
  expect(document.activeElement).toBe(menu.button);
});

test.each(['Escape', 'Tab'])(
  '%s closes the menu and goes on from the button',
  (key) => {
    menu.button.click();
    expect(press(key).defaultPrevented).toBe(false);
    expect(menu.open).toBe(false);
    expect(document.activeElement).toBe(menu.button);
    expect(chosen).toEqual([]);
  },
);

test('a press elsewhere closes the menu', () => {
  menu.button.click();
  list().dispatchEvent(new Event('pointerdown', { bubbles: true }));
  expect(menu.open).toBe(true);
  document.body.dispatchEvent(new Event('pointerdown', { bubbles: true }));
  expect(menu.open).toBe(false);
});

test('the menu is under its button, also when the page scrolls', () => {
  let bottom = 100;
  menu.button.getBoundingClientRect = () => ({ left: 50, bottom }) as DOMRect;
  menu.button.click();
  expect([list().style.left, list().style.top]).toEqual(['50px', '100px']);
  bottom = 60;
  document.body.dispatchEvent(new Event('scroll'));
  expect(list().style.top).toBe('60px');
});

test('at the edges of the window the menu stays inside', () => {
  const { innerWidth: width, innerHeight: height } = window;
  const rect = { left: width - 20, top: height - 30, bottom: height - 2 };
  menu.button.getBoundingClientRect = () => rect as DOMRect;
  list().getBoundingClientRect = () => ({ width: 96, height: 90 }) as DOMRect;
  menu.button.click();
  expect(list().style.left).toBe(`${width - 96 - 8}px`);
  expect(list().style.top).toBe(`${height - 30 - 90}px`);
});

test('a menu that is removed listens to the page no more', () => {
  menu.button.click();
  menu.remove();
  const before = list().style.top;
  menu.button.getBoundingClientRect = () => ({ left: 0, bottom: 777 }) as DOMRect;
  document.body.dispatchEvent(new Event('scroll'));
  expect(list().style.top).toBe(before);
});
