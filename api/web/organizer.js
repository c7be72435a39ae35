import { start } from "./shell.js";
start({ place: "Organizer", links: [], parts: { "": () => {} } });
