// What an event's entries amount to: counts and seats, one entry after the other.
//
// A second opinion: it shares nothing with the program that wrote the entries.

export class State {
  constructor() {
    Object.assign(this, { capacity: 0, booked: 0, held: 0, waiting: 0, inside: 0, status: "open" });
    this.bookings = new Map();
    this.holds = new Map();
    this.takenSeats = new Set();
  }

  get available() { return this.capacity - this.booked - this.held; }

  /** The counts as they are now, to be kept. */
  counts() {
    const { capacity, booked, held, available, waiting, inside, status } = this;
    return { capacity, booked, held, available, waiting, inside, status };
  }

  /** Takes the next entry; gives what may never be, in words. */
  follow({ type, payload }) {
    const seats = payload.seats ?? []; // the first bookings had none
    const wrong = [];
    const take = (seats) => {
      for (const seat of seats) {
        if (this.takenSeats.has(seat)) wrong.push(`takes seat ${seat} a second time`);
        this.takenSeats.add(seat);
      }
    };
    const free = (seats) => seats.forEach((seat) => this.takenSeats.delete(seat));
    const live = (records, id) => {
      const found = records.get(id);
      if (found === undefined) wrong.push("is about something that is not there");
      return found ?? { quantity: 0, seats: [] };
    };
    switch (type) {
      case "EventScheduled":
      case "CapacityChanged":
        this.capacity = payload.capacity;
        break;
      case "EventOpened": this.status = "open"; break;
      case "EventClosed": this.status = "closed"; break;
      case "EventCancelled": this.status = "cancelled"; break;
      case "SeatsBooked":
        this.booked += payload.quantity;
        this.bookings.set(payload.booking_id, { quantity: payload.quantity, seats });
        take(seats);
        break;
      case "BookingCancelled": {
        const booking = live(this.bookings, payload.booking_id);
        this.booked -= payload.quantity;
        free((payload.tickets ?? []).map((ticket) => booking.seats[ticket - 1]));
        break;
      }
      case "SeatsHeld":
        this.held += payload.quantity;
        if (payload.waiting_id) this.waiting -= 1;
        this.holds.set(payload.hold_id, { quantity: payload.quantity, seats });
        take(seats);
        break;
      case "HoldConfirmed": {
        const hold = live(this.holds, payload.hold_id);
        this.held -= hold.quantity;
        this.booked += hold.quantity;
        this.holds.delete(payload.hold_id);
        this.bookings.set(payload.booking_id, hold);
        break;
      }
      case "HoldReleased":
      case "HoldExpired": {
        const hold = live(this.holds, payload.hold_id);
        this.held -= hold.quantity;
        free(hold.seats);
        this.holds.delete(payload.hold_id);
        break;
      }
      case "WaitingListJoined": this.waiting += 1; break;
      case "WaitingListLeft": this.waiting -= 1; break;
      case "TicketCheckedIn": this.inside += 1; break;
      case "CheckInAnnulled": this.inside -= 1; break;
      case "BookingTransferred": break;
      default: wrong.push("is of a kind that this page does not know");
    }
    if (this.available < 0) wrong.push(`leaves ${-this.available} more places taken than there are`);
    if (this.booked < 0 || this.held < 0) wrong.push("gives back more than was taken");
    return wrong;
  }
}
