package main

import "github.com/connectlinks/connectlinks-go/connectlinksweb"

const noConnection = "We could not find this connection. Perhaps it was disconnected already. Look at your integrations."

type text = connectlinksweb.Text

// connecting has the texts for a new connection: those of the package.
var connecting connectlinksweb.Texts

// renewing has the texts for new credentials. The customer is connected already, with the
// old ones.
var renewing = connectlinksweb.Texts{
	Waiting:       text{Title: "No new credentials yet", Message: "We have no word yet that you finished."},
	NoWord:        text{Title: "We do not know yet whether the new credentials were saved"},
	CannotTell:    text{Title: "We do not know whether the new credentials were saved"},
	NotSure:       "We do not know yet whether the new credentials were saved",
	CannotConnect: text{Message: "The credentials cannot be renewed at the moment. We have been told."},
}

// textsFor returns the texts for a flow that renews this connection, or none ("").
func textsFor(renews string) connectlinksweb.Texts {
	if renews == "" {
		return connecting
	}
	return renewing
}

// disconnecting has the texts for an error before the request to disconnect.
var disconnecting = connectlinksweb.Texts{
	CannotConnect: text{Message: "This cannot be disconnected at the moment. We have been told."},
}

// notSureDisconnected returns the texts for an error of the request to disconnect. The API
// may have carried it out, unless it refused it.
func notSureDisconnected(name string) connectlinksweb.Texts {
	notSure := text{Title: "Perhaps disconnected", Message: "We do not know whether " + name + " is disconnected. Look at your integrations."}
	return connectlinksweb.Texts{
		CannotConnect: disconnecting.CannotConnect,
		Unavailable:   notSure,
		Interrupted:   notSure,
		TimedOut:      notSure,
		BadAnswer:     notSure,
		Failed:        notSure,
	}
}
