package connectlinksweb

import (
	"fmt"
	"reflect"
	"time"
)

// Texts holds all texts of the pages, for [WithTexts]. An empty field keeps its
// English text.
type Texts struct {
	Lang string // the language of the texts, for the attribute lang, such as "de" or "pt-BR"

	// The pages of Start.
	Start     Text // before the click; WithTitle replaces the title
	OtherSite Text // the form came from another site

	// The pages of Return.
	Waiting       Text   // the API reports no connection yet
	NoWord        Text   // the API has not answered, or its last answer was an error
	LooksAgain    string // added if the page looks again by itself
	IfNotFinished string // added to Waiting from the third look on; StartAgain is then the first button
	IfItGoesOn    string // added to NoWord from the third look on; Integrations is then the first button
	Expired       Text   // the link has expired
	Revoked       Text   // the link was revoked
	NoLink        Text   // ErrNoLink; must make no claim about the connection
	CannotTell    Text   // replaces CannotConnect, since the customer may be connected
	NotSure       string // replaces the other titles below, since the customer may be connected

	// Errors.
	CannotConnect Text // only the platform can fix it; the log has the error
	Busy          Text // the API or the client's rate limiter refuses for a while; TryAgainIn follows
	Unavailable   Text // the API is not available; TryAgainIn follows
	Interrupted   Text // the request's context was cancelled
	TimedOut      Text // something took too long; InAMinute or LooksAgain follows
	BadAnswer     Text // the API gave no usable answer; the log has the error
	Failed        Text // anything else; the log has the error

	InAMinute string // when to try again if nothing names a time

	// TryAgainIn returns the sentence that says when to try again. The pause is positive.
	// It can be a fraction of a second, or many years.
	TryAgainIn func(time.Duration) string

	// Buttons.
	Continue, OneMoment string // the button of Start's page, before and after the click
	TryAgain, LookAgain string

	// The link to the address of WithBack.
	StartAgain   string // the link has ended, or the customer may have cancelled
	Integrations string // on the other pages of Return, and for ErrNoLink
	Back         string // on all other pages
}

// Text says what has happened, and what the customer should do.
type Text struct{ Title, Message string }

// WithTexts replaces the texts of the pages, for another language, or for renewals: see
// [RenewalTexts]. If the language depends on the request, call [Start] or [Return] for each
// request, which is cheap.
func WithTexts(t Texts) Option { return func(s *settings) { s.texts = t } }

// english returns the default texts. No field is empty.
func english() Texts {
	return Texts{
		Lang: "en",

		Start:     Text{"Connect your account", "You continue on a secure page, and come back here when you are done."},
		OtherSite: Text{"Not accepted", "This was sent from another site. Open the page here, and try again."},

		Waiting:       Text{"Not connected yet", "We cannot confirm yet that you are connected."},
		NoWord:        Text{"We do not know yet whether you are connected", "We could not find out yet."},
		LooksAgain:    "This page looks again by itself.",
		IfNotFinished: "If you did not finish, start again.",
		IfItGoesOn:    "If this goes on, contact our support.",
		Expired:       Text{"This took too long", "The page you were on has expired, and we cannot confirm that you finished. Please start again."},
		Revoked:       Text{"That page was withdrawn", "If you finished elsewhere, look at your integrations. Otherwise, please start again."},
		NoLink:        Text{"Your connection", "We cannot tell what became of your connection. Look at your integrations."},
		CannotTell:    Text{"We do not know whether you are connected", "We cannot find out at the moment. We have been told."},
		NotSure:       "We do not know yet whether you are connected",

		CannotConnect: Text{"Not possible right now", "This cannot be connected at the moment. We have been told."},
		Busy:          Text{"Too many at once", "We have to wait before we can go on."},
		Unavailable:   Text{"Not available right now", "The service that makes the connection is not available."},
		Interrupted:   Text{"Interrupted", "We were interrupted before we had an answer. Please try again."},
		TimedOut:      Text{"No answer in time", "Our question took too long."},
		BadAnswer:     Text{"That did not work", "The service that makes the connection gave no usable answer. We have been told. Please try again in a minute. If that does not help, contact our support."},
		Failed:        Text{"That did not work", "Something went wrong. We have been told. Please try again in a minute. If that does not help, contact our support."},

		InAMinute:  "Please try again in a minute.",
		TryAgainIn: tryAgainIn,

		Continue: "Continue", OneMoment: "One moment…",
		TryAgain: "Try again", LookAgain: "Look again",
		StartAgain: "Start again", Integrations: "Look at your integrations", Back: "Back",
	}
}

const notSureRenewed = "We do not know yet whether the new credentials were saved"

// RenewalTexts returns English texts for the links that renew the credentials of a connection, for
// [WithTexts]. The default texts are for a new connection, but this customer is connected already,
// with the old credentials. The fields that are the same for both are empty.
func RenewalTexts() Texts {
	return Texts{
		Start:         Text{Title: "New credentials"},
		Waiting:       Text{notSureRenewed, "We have no word yet that you finished."},
		NoWord:        Text{Title: notSureRenewed},
		CannotTell:    Text{Title: "We do not know whether the new credentials were saved"},
		NotSure:       notSureRenewed,
		CannotConnect: Text{Message: "The credentials cannot be renewed at the moment. We have been told."},
	}
}

// complete sets the empty fields of t to the English texts.
func (t *Texts) complete() {
	fill(reflect.ValueOf(t).Elem(), reflect.ValueOf(english()))
}

// fill sets the empty fields of v, also in nested structs, to the values of from.
func fill(v, from reflect.Value) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Kind() == reflect.Struct:
			fill(field, from.Field(i))
		case field.IsZero():
			field.Set(from.Field(i))
		}
	}
}

func tryAgainIn(d time.Duration) string {
	n := seconds(d)
	switch {
	case n == 1:
		return "Please try again in a second."
	case n <= 90:
		return fmt.Sprintf("Please try again in %d seconds.", n)
	case n <= 59*60:
		return fmt.Sprintf("Please try again in %d minutes.", (n+59)/60)
	}
	// The client keeps a longer pause for an hour only, so the next error may name less.
	return "Please try again in an hour or later."
}

// seconds returns d in seconds, rounded up.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}
