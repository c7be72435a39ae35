// Times, numbers, money, and what the API's problems mean to a person.

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const COUNT = new Intl.NumberFormat();
const MONEY = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2 });

export const when = (time) => WHEN.format(new Date(time));
export const shortTime = (time) => SHORT.format(new Date(time));
export const count = (number) => COUNT.format(number);
export const money = (cents) => (cents === 0 ? "free" : MONEY.format(cents / 100));
export const many = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;

export function clock(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const MEANINGS = {
  "already-checked-in": (p) => `This ticket went in already, ${shortTime(p.checked_in_at)}.`,
  "booking-cancelled": () => "This booking is cancelled.",
  "booking-not-found": () => "There is no such booking, or your key may not see it.",
  "capacity-above-venue": (p) => `The venue holds ${count(p.venue_capacity)}; choose no more than that.`,
  "capacity-below-sold": (p) =>
    `${count(p.booked)} places are booked and ${count(p.held)} held, so it can't be less. Nothing was changed.`,
  "category-not-found": () => "Choose one of the categories.",
  "event-cancelled": () => "This event is cancelled.",
  "event-not-found": () => "There is no such event.",
  forbidden: () => "Your key is for other things. Sign in with a key of the right role.",
  "hold-expired": () => "The time is over and your places went back on sale. You can try again.",
  "limit-per-order": (p) => `One order may have at most ${many(p.limit, "ticket", "tickets")}.`,
  "limit-per-user": (p) =>
    `Everybody may have ${many(p.limit, "ticket", "tickets")} of this event, and you have ${count(p.already)}.`,
  "not-adjacent": () => "There aren't that many seats left side by side. Try fewer, or choose them yourself.",
  overloaded: () => "Very many people are here just now. Nothing was booked; please try again.",
  "places-left": () => "There are places left: nobody needs to wait.",
  "sales-closed": (p) =>
    p.sales_open_at && new Date(p.sales_open_at) > new Date()
      ? `Sales open ${when(p.sales_open_at)}.`
      : "This event is not on sale now.",
  "seat-taken": (p) => `Somebody was faster: seat ${p.seat} is taken. Please choose another.`,
  "sold-out": (p) =>
    p.available ? `Only ${many(p.available, "place is", "places are")} left.` : "Sold out.",
  "ticket-invalid": () => "This is no ticket of ours. Check for a missing character.",
  "ticket-not-found": () => "This ticket was cancelled.",
  "ticket-outdated": () => "This ticket was given to somebody else; the new owner has the code that counts.",
  unauthenticated: () => "This key is not known. Check it, or ask for a new one.",
  unavailable: () => "We can't reach our books just now. Please try again in a moment.",
  "user-not-found": () => "There is no such user. Check the id you signed in with.",
};

export function meaning(problem) {
  if (problem.code === "validation" && problem.errors?.length)
    return problem.errors.map((e) => `${e.at.slice(1).join(" ")}: ${e.why}`).join("; ");
  return MEANINGS[problem.code]?.(problem) ?? problem.detail ?? problem.title;
}
