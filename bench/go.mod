module github.com/connectlinks/connectlinks-go/bench

go 1.25.0

// The loopback server's certificate stands in for the system's roots, so that
// clients are measured with their own transports.
godebug x509usefallbackroots=1

require github.com/connectlinks/connectlinks-go v0.0.0

require (
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/connectlinks/connectlinks-go => ../
