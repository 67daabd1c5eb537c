package main

import "github.com/connectlinks/connectlinks-go/connectlinksweb"

const noConnection = "We could not find this connection. Perhaps it was disconnected already. Look at your integrations."

const lookBelow = "See below what is connected."

// perhapsDisconnected has the connection's name twice.
const perhapsDisconnected = "We do not know whether %[1]s is disconnected. Look at your integrations. If %[1]s is still there, try again later."

// connecting has the texts for a new connection: those of the package.
var connecting connectlinksweb.Texts

// textsFor returns the texts for a flow that renews this connection, or none ("").
func textsFor(renews string) connectlinksweb.Texts {
	if renews == "" {
		return connecting
	}
	return connectlinksweb.RenewalTexts()
}

// disconnecting has the texts for a connection that is not disconnected.
var disconnecting = connectlinksweb.Texts{
	CannotConnect: connectlinksweb.Text{Message: "This cannot be disconnected at the moment. We have been told."},
}
