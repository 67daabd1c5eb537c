package main

import "github.com/connectlinks/connectlinks-go/connectlinksweb"

const noConnection = "We could not find this connection. Perhaps it was disconnected already. Look at your integrations."

const lookBelow = "See below what is connected."

// perhapsDisconnected has the connection's name twice.
const perhapsDisconnected = "We do not know whether %[1]s is disconnected. Look at your integrations. If %[1]s is still there, try again later."

const notSureRenewed = "We do not know yet whether the new credentials were saved"

type text = connectlinksweb.Text

// connecting has the texts for a new connection: those of the package.
var connecting connectlinksweb.Texts

// renewing has the texts for new credentials. The customer is connected already, with the
// old ones.
var renewing = connectlinksweb.Texts{
	Waiting:       text{Title: notSureRenewed, Message: "We have no word yet that you finished."},
	NoWord:        text{Title: notSureRenewed},
	CannotTell:    text{Title: "We do not know whether the new credentials were saved"},
	NotSure:       notSureRenewed,
	CannotConnect: text{Message: "The credentials cannot be renewed at the moment. We have been told."},
}

// textsFor returns the texts for a flow that renews this connection, or none ("").
func textsFor(renews string) connectlinksweb.Texts {
	if renews == "" {
		return connecting
	}
	return renewing
}

// disconnecting has the texts for a connection that is not disconnected.
var disconnecting = connectlinksweb.Texts{
	CannotConnect: text{Message: "This cannot be disconnected at the moment. We have been told."},
}
